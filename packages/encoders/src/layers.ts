import { batchNormInference, batchNormTraining, embedding, layerNorm } from '@medalign/ops';
import * as tf from '@tensorflow/tfjs-core';
import type { Initialiser } from './initialise';
import { Module } from './module';
import { isRecomputing } from './recompute';

const filled = (size: number, value: number) => new Float32Array(size).fill(value);

/** A convolution without bias and with PyTorch's padding: the same number of zeros on both sides, whatever the stride. */
export class Convolution extends Module {
  private readonly weight: tf.Variable<tf.Rank.R4>;

  constructor(
    readonly inputs: number,
    outputs: number,
    private readonly shape: { size: number; stride: number; padding: number },
    initialiser: Initialiser,
  ) {
    super();
    const { size } = shape;
    // Kaiming normal over the outputs, as torchvision's ResNet.
    const values = initialiser.normal(size * size * inputs * outputs, Math.sqrt(2 / (outputs * size * size)));
    this.weight = this.add('weight', values, [size, size, inputs, outputs], {
      layout: 'convolution',
    }) as tf.Variable<tf.Rank.R4>;
  }

  apply(x: tf.Tensor4D): tf.Tensor4D {
    const { stride, padding } = this.shape;
    return tf.conv2d(x, this.weight, stride, padding, 'NHWC', 1, 'floor');
  }
}

/** Batch normalisation with running statistics, PyTorch's defaults: ε 1e-5, momentum 0.1. */
export class BatchNorm extends Module {
  private readonly weight: tf.Variable;
  private readonly bias: tf.Variable;
  private readonly mean: tf.Variable;
  private readonly variance: tf.Variable;
  private readonly batches: tf.Variable;

  constructor(channels: number, { weight = 1 }: { weight?: number } = {}) {
    super();
    this.weight = this.add('weight', filled(channels, weight), [channels]);
    this.bias = this.add('bias', filled(channels, 0), [channels]);
    this.mean = this.add('running_mean', filled(channels, 0), [channels], { trainable: false });
    this.variance = this.add('running_var', filled(channels, 1), [channels], { trainable: false });
    this.batches = this.add('num_batches_tracked', new Int32Array(1), [], { trainable: false, dtype: 'int32' });
  }

  /** Batch statistics in training, which move the running ones; the running ones else, and where frozen. Channels last. */
  apply<T extends tf.Tensor>(x: T, training: boolean): T {
    if (!training || this.frozenAs() === 'evaluation') {
      const { mean, variance } = this;
      return batchNormInference(x, this.weight, this.bias, { mean, variance }) as T;
    }
    return tf.tidy(() => {
      const { output, mean, variance } = batchNormTraining(x, this.weight, this.bias);
      if (isRecomputing()) return output as T;
      const momentum = 0.1;
      this.mean.assign(tf.add(tf.mul(this.mean, 1 - momentum), tf.mul(mean, momentum)));
      this.variance.assign(tf.add(tf.mul(this.variance, 1 - momentum), tf.mul(variance, momentum)));
      this.batches.assign(tf.add(this.batches, tf.scalar(1, 'int32')));
      return output as T;
    });
  }
}

/** Layer normalisation of the last axis with its two parameters. */
export class LayerNorm extends Module {
  private readonly weight: tf.Variable;
  private readonly bias: tf.Variable;

  constructor(
    width: number,
    private readonly epsilon: number,
  ) {
    super();
    this.weight = this.add('weight', filled(width, 1), [width]);
    this.bias = this.add('bias', filled(width, 0), [width]);
  }

  apply(x: tf.Tensor): tf.Tensor {
    return layerNorm(x, this.weight, this.bias, { epsilon: this.epsilon });
  }
}

/** A table of vectors by id. */
export class Embedding extends Module {
  readonly weight: tf.Variable;

  constructor(count: number, width: number, initialiser: Initialiser) {
    super();
    this.weight = this.add('weight', initialiser.normal(count * width, 0.02), [count, width]);
  }

  apply(ids: tf.Tensor): tf.Tensor {
    return embedding(ids, this.weight);
  }
}
