import { randomStream } from '@medalign/datasets';
import { Adam, Progress, valueAndGradients } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { letSignalsIn } from './features';

/** One image for the head: frozen features on the grid and what is to be found. */
export interface SegmentationSample {
  /** `[side, side, d]`. */
  features: Float32Array;
  /** `[crop, crop]` 1 = finding. */
  mask: Uint8Array;
  /** `[crop, crop]` 1 = the image, 0 = padding around it. */
  known: Uint8Array;
}

export interface SegmentationSize {
  /** Side of the feature grid, features per cell, side of the model's view. */
  side: number;
  d: number;
  crop: number;
}

export interface HeadOptions extends SegmentationSize {
  seed: number;
  hidden?: number;
  learningRate?: number;
  batchSize?: number;
  epochs?: number;
  /** Epochs without a better validation loss before it stops. */
  patience?: number;
  signal?: AbortSignal | undefined;
}

/**
 * A small segmentation head on frozen features: 1×1 convolution to `hidden` channels, 3×3, 1×1 to one logit per cell, ReLU in
 * between, then bilinear to the model's view. Features are standardised by the training images.
 */
export class SegmentationHead {
  readonly #size: SegmentationSize;
  readonly #variables: Map<string, tf.Variable>;
  #centre: tf.Tensor1D;
  #scale: tf.Tensor1D;
  readonly #up: tf.Tensor2D;

  constructor({ seed, hidden = 16, ...size }: SegmentationSize & { seed: number; hidden?: number }) {
    const { side, d, crop } = size;
    this.#size = size;
    const weight = (name: string, shape: [number, number, number, number]) => {
      const random = randomStream(seed, 'segmentation head', name);
      const deviation = Math.sqrt(2 / (shape[0] * shape[1] * shape[2])); // He et al. 2015
      const values = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => deviation * random.normal());
      return variable(tf.tensor4d(values, shape));
    };
    this.#variables = new Map([
      ['reduce.weight', weight('reduce', [1, 1, d, hidden])],
      ['reduce.bias', variable(tf.zeros([hidden]))],
      ['middle.weight', weight('middle', [3, 3, hidden, hidden])],
      ['middle.bias', variable(tf.zeros([hidden]))],
      ['logit.weight', weight('logit', [1, 1, hidden, 1])],
      // Findings are rare: it begins by expecting none.
      ['logit.bias', variable(tf.fill([1], -2))],
    ]);
    this.#centre = tf.zeros([d]);
    this.#scale = tf.ones([d]);
    this.#up = tf.tensor2d(bilinear(side, crop), [crop, side]);
  }

  /** `[n, side, side, d]` → logits `[n, crop, crop]`. */
  logits(features: tf.Tensor4D): tf.Tensor3D {
    return tf.tidy(() => {
      const get = (name: string) => this.#variables.get(name)!;
      const conv = (x: tf.Tensor4D, name: string) =>
        tf.add(tf.conv2d(x, get(`${name}.weight`) as unknown as tf.Tensor4D, 1, 'same'), get(`${name}.bias`));
      const x = tf.mul(tf.sub(features, this.#centre), this.#scale) as tf.Tensor4D;
      const reduced = tf.relu(conv(x, 'reduce')) as tf.Tensor4D;
      const middle = tf.relu(conv(reduced, 'middle')) as tf.Tensor4D;
      const { side, crop } = this.#size;
      // U · M · Uᵀ as two plain products: the same numbers on every engine, and a gradient on all of them.
      const grid = tf.reshape(conv(middle, 'logit'), [-1, side]);
      const across = tf.reshape(tf.matMul(grid, this.#up, false, true), [-1, side, crop]);
      const down = tf.reshape(tf.transpose(across, [0, 2, 1]), [-1, side]);
      const both = tf.reshape(tf.matMul(down, this.#up, false, true), [-1, crop, crop]);
      return tf.transpose(both, [0, 2, 1]) as tf.Tensor3D;
    });
  }

  /** Probabilities over the model's view, `[crop · crop]` each. */
  async probabilities(features: readonly Float32Array[]): Promise<Float32Array[]> {
    const { crop } = this.#size;
    const maps = tf.tidy(() => tf.sigmoid(this.logits(this.#stack(features))));
    const data = (await maps.data()) as Float32Array;
    maps.dispose();
    return features.map((_, i) => data.slice(i * crop * crop, (i + 1) * crop * crop));
  }

  /**
   * Binary cross-entropy over the image's pixels, plus 1 − soft Dice (smoothed by one pixel) where there is something to
   * find, mean over the images. The Dice of images without it would only say once more: predict nothing.
   */
  loss(samples: readonly SegmentationSample[]): tf.Scalar {
    const { crop } = this.#size;
    return tf.tidy(() => {
      const shape: [number, number, number] = [samples.length, crop, crop];
      const target = tf.tensor3d(concatenate(samples.map(({ mask }) => mask)), shape);
      const known = tf.tensor3d(concatenate(samples.map(({ known }) => known)), shape);
      const logits = this.logits(this.#stack(samples.map(({ features }) => features)));
      const entropy = tf.sub(tf.softplus(logits), tf.mul(logits, target)); // −y log p − (1 − y) log(1 − p)
      const sum = (x: tf.Tensor) => tf.sum(tf.mul(x, known), [1, 2]);
      const crossEntropy = tf.div(sum(entropy), tf.maximum(tf.sum(known, [1, 2]), 1));
      const p = tf.sigmoid(logits);
      const dice = tf.div(tf.add(tf.mul(2, sum(tf.mul(p, target))), 1), tf.add(tf.add(sum(p), sum(target)), 1));
      const has = tf.cast(tf.greater(sum(target), 0), 'float32');
      return tf.mean(tf.add(crossEntropy, tf.mul(has, tf.sub(1, dice)))) as tf.Scalar;
    });
  }

  /** Trains on the samples until the validation loss no longer falls, and goes back to the best epoch. */
  async train(
    train: readonly SegmentationSample[],
    validation: readonly SegmentationSample[],
    {
      seed,
      learningRate = 3e-3,
      batchSize = 16,
      epochs = 30,
      patience = 5,
      signal,
    }: Omit<HeadOptions, keyof SegmentationSize>,
  ): Promise<{ epochs: number; bestEpoch: number; validationLoss: number }> {
    this.#standardize(train);
    const adam = new Adam(this.#variables, { learningRate });
    const progress = new Progress({ total: epochs, label: 'segmentation head' });
    let best = { epoch: 0, loss: await this.#meanLoss(validation, batchSize), values: await this.#values() };
    let epoch = 0;
    try {
      while (epoch < epochs && epoch - best.epoch < patience) {
        const order = randomStream(seed, 'segmentation order', epoch).shuffle(train);
        for (let start = 0; start < order.length; start += batchSize) {
          await letSignalsIn(signal);
          const batch = order.slice(start, start + batchSize);
          const { value, gradients } = valueAndGradients(() => this.loss(batch), this.#variables);
          adam.step(gradients);
          tf.dispose([value, ...gradients.values()]);
        }
        epoch += 1;
        const loss = await this.#meanLoss(validation, batchSize);
        if (loss < best.loss) best = { epoch, loss, values: await this.#values() };
        progress.update(epoch, { terms: { validation: loss }, images: order.length });
      }
    } finally {
      progress.stop();
      adam.dispose();
    }
    for (const [name, variable] of this.#variables)
      tf.tidy(() => variable.assign(tf.tensor(best.values.get(name)!, variable.shape)));
    return { epochs: epoch, bestEpoch: best.epoch, validationLoss: best.loss };
  }

  /** Weights as tfjs lays them out, and the standardisation: everything that a file needs to hold. */
  async state(): Promise<Map<string, { shape: number[]; data: Float32Array }>> {
    const tensors = [...this.#variables, ['centre', this.#centre], ['scale', this.#scale]] as [string, tf.Tensor][];
    const state = new Map<string, { shape: number[]; data: Float32Array }>();
    for (const [name, tensor] of tensors) {
      state.set(name, { shape: tensor.shape, data: Float32Array.from(await tensor.data()) });
    }
    return state;
  }

  dispose(): void {
    tf.dispose([...this.#variables.values(), this.#centre, this.#scale, this.#up]);
  }

  #stack(features: readonly Float32Array[]): tf.Tensor4D {
    const { side, d } = this.#size;
    return tf.tensor4d(concatenate(features), [features.length, side, side, d]);
  }

  #standardize(samples: readonly SegmentationSample[]): void {
    const { d } = this.#size;
    const [sum, squares] = [new Float64Array(d), new Float64Array(d)];
    let cells = 0;
    for (const { features } of samples) {
      for (let i = 0; i < features.length; i++) sum[i % d]! += features[i]!;
      cells += features.length / d;
    }
    const mean = sum.map((value) => value / cells);
    for (const { features } of samples) {
      for (let i = 0; i < features.length; i++) squares[i % d]! += (features[i]! - mean[i % d]!) ** 2;
    }
    tf.dispose([this.#centre, this.#scale]);
    this.#centre = tf.tensor1d(Float32Array.from(mean));
    this.#scale = tf.tensor1d(Float32Array.from(squares, (value) => 1 / Math.max(Math.sqrt(value / cells), 1e-6)));
  }

  async #meanLoss(samples: readonly SegmentationSample[], batchSize: number): Promise<number> {
    let total = 0;
    for (let start = 0; start < samples.length; start += batchSize) {
      const batch = samples.slice(start, start + batchSize);
      const loss = this.loss(batch);
      total += (await loss.data())[0]! * batch.length;
      loss.dispose();
    }
    return total / samples.length;
  }

  async #values(): Promise<Map<string, Float32Array>> {
    const values = new Map<string, Float32Array>();
    for (const [name, variable] of this.#variables) values.set(name, Float32Array.from(await variable.data()));
    return values;
  }
}

/** `[to, from]`: row u holds the weights of the cells that pixel u lies between, half-pixel centres, edges repeated. */
export function bilinear(from: number, to: number): Float32Array {
  const weights = new Float32Array(to * from);
  for (let u = 0; u < to; u++) {
    const at = Math.min(from - 1, Math.max(0, ((u + 0.5) * from) / to - 0.5));
    const low = Math.floor(at);
    const high = Math.min(from - 1, low + 1);
    weights[u * from + low]! += 1 - (at - low);
    weights[u * from + high]! += at - low;
  }
  return weights;
}

/** tf.variable keeps the tensor it is made from alive; the tidy frees it. */
function variable(value: tf.Tensor): tf.Variable {
  const made = tf.tidy(() => tf.variable(value));
  value.dispose();
  return made;
}

function concatenate(parts: readonly ArrayLike<number>[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
