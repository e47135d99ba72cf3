import { BatchNorm, Bert, inMicroBatches, Linear, ResNet, wordFeatures } from '@medalign/encoders';
import { infoNce } from '@medalign/losses';
import { refineAlignment } from '@medalign/progressive';
import { addPrefix } from '@medalign/trainer/tensor-map';
import * as tf from '@tensorflow/tfjs-core';
import type { Alignment } from './config';
import type { ModelConfig } from './recipes';
import type { Tokens } from './tokens';

/** What the image side gives for a batch. */
export type EncodedImages = {
  /** `[b, p, d]` pixel features I. */
  pixels: tf.Tensor3D;
  /** `[b, p, d]` G = g(I), which words are compared with. */
  projectedPixels: tf.Tensor3D;
  /** `[b, d]` the image's own vector. */
  global: tf.Tensor2D;
  /** `[b, h, w, c]` the last stage, which the image's own vector is the projected mean of. */
  lastFeatures: tf.Tensor4D;
};

/** What the text side gives for a batch. */
export type EncodedTexts = {
  /** `[b, l, d]` word features W. */
  words: tf.Tensor3D;
  /** `[b, d]` the text's own vector. */
  global: tf.Tensor2D;
  /** `[b, l]`, 1 = a word. */
  wordMask: tf.Tensor2D;
};

/** `training`: batch statistics, dropout and selection noise; `seed`: another one for every step. */
export interface StepOptions {
  training?: boolean;
  seed?: number;
  /** Pairs that are encoded at once; all of them if left out. */
  microBatch?: number | undefined;
  /** The global vectors of all replicas, for those of this one. */
  gather?: (vectors: tf.Tensor2D) => tf.Tensor2D;
}

/** A ResNet, a BERT and the maps between them: everything in PLAN that has parameters. */
export class PlanModel {
  readonly resnet: ResNet;
  readonly bert: Bert;
  readonly heads: Record<'local' | 'pixel' | 'region' | 'image' | 'word' | 'text', Linear>;
  /** Batch normalisation of G, the words and the global vectors, where the configuration asks for it. */
  readonly norms: { pixel?: BatchNorm; word?: BatchNorm; image?: BatchNorm; text?: BatchNorm } = {};
  readonly alpha = scalarVariable(1);
  readonly beta = scalarVariable(1);
  readonly #config: ModelConfig;

  constructor(
    config: ModelConfig,
    { channels, vocabularySize, seed }: { channels: number; vocabularySize: number; seed: number },
  ) {
    this.#config = config;
    const { image, text, width } = config;
    const { block, layers, widths, strides, stem } = image;
    this.resnet = new ResNet({
      block,
      layers,
      widths,
      strides,
      stem,
      inChannels: channels + (image.coordinates ? 2 : 0),
      seed,
    });
    const { hiddenSize, heads, intermediateSize, maxPositions, dropout } = text;
    this.bert = new Bert({
      vocabSize: vocabularySize,
      hiddenSize,
      layers: text.layers,
      heads,
      intermediateSize,
      maxPositions,
      dropout,
      seed: seed + 1,
    });
    const local = this.resnet.channels[image.localStage - 1]!;
    const last = this.resnet.channels.at(-1)!;
    const head = (inputs: number, index: number, bias = true) =>
      new Linear(inputs, width, { bias, seed: seed + 2 + index });
    this.heads = {
      local: head(local, 0),
      pixel: head(width, 1, false), // g
      region: head(width, 2, false), // Wproj of Eq 11
      image: head(last, 3),
      word: head(text.hiddenSize, 4),
      text: head(text.hiddenSize, 5),
    };
    if (config.localNorm === 'batch')
      Object.assign(this.norms, { pixel: new BatchNorm(width), word: new BatchNorm(width) });
    if (config.globalNorm === 'batch')
      Object.assign(this.norms, { image: new BatchNorm(width), text: new BatchNorm(width) });
  }

  encodeImages(images: tf.Tensor4D, { training = false } = {}): EncodedImages {
    const { local, last } = this.#imageFeatures(images, training);
    return { ...this.#projectImages({ local, pooled: tf.mean(last, [1, 2]) }, training), lastFeatures: last };
  }

  /** `[b, h, w, c]` the stage of the pixels and the last one. */
  #imageFeatures(images: tf.Tensor4D, training: boolean): { local: tf.Tensor4D; last: tf.Tensor4D } {
    const { coordinates, batchNorm, localStage } = this.#config.image;
    const input = coordinates ? withCoordinates(images) : images;
    const { features } = this.resnet.apply(input, { training: training && batchNorm === 'batch' });
    return { local: features[localStage - 1]!, last: features.at(-1)! };
  }

  /** What the loss needs of the images, a few of them in memory at once. */
  #imagesInParts(images: tf.Tensor4D, training: boolean, microBatch: number): Omit<EncodedImages, 'lastFeatures'> {
    const encode = ({ begin, size }: { begin: number; size: number }) => {
      const { local, last } = this.#imageFeatures(tf.slice(images, begin, size), training);
      return { local, pooled: tf.mean(last, [1, 2]) };
    };
    const variables = this.resnet.parameters().values();
    const features = inMicroBatches(encode, { samples: images.shape[0], microBatch, variables });
    return this.#projectImages(features, training);
  }

  #projectImages({ local, pooled }: { local: tf.Tensor; pooled: tf.Tensor }, training: boolean) {
    const [b, h, w, c] = local.shape as [number, number, number, number];
    const pixels = this.heads.local.apply(tf.reshape(local, [b, h * w, c])) as tf.Tensor3D;
    return {
      pixels,
      projectedPixels: this.#normalizePixels(this.heads.pixel.apply(pixels) as tf.Tensor3D, training),
      global: this.imageVector(pooled, training) as tf.Tensor2D,
    };
  }

  #imagesForLoss(images: tf.Tensor4D, { training = false, microBatch = Number.POSITIVE_INFINITY }: StepOptions) {
    return microBatch < images.shape[0]
      ? this.#imagesInParts(images, training, microBatch)
      : this.encodeImages(images, { training });
  }

  /** @param keep `[b, l]` 0/1: words whose pieces stay visible to the text encoder; all of them without it. */
  encodeTexts(
    batch: Tokens,
    { training = false, seed = 0, microBatch, keep }: StepOptions & { keep?: tf.Tensor2D } = {},
  ): EncodedTexts {
    const { ids, attentionMask, wordIndex, wordMask, wordRows } = batch;
    const visible = keep ? (tf.mul(attentionMask, piecesOf(keep, wordIndex)) as tf.Tensor2D) : attentionMask;
    const words = keep ?? wordMask;
    const [samples, count] = words.shape;
    const encode = ({ begin, size, constants: [mask] }: { begin: number; size: number; constants: tf.Tensor[] }) =>
      this.#textFeatures(
        {
          ids: tf.slice(ids, begin, size),
          attentionMask: tf.slice(mask as tf.Tensor2D, begin, size),
          wordIndex: tf.slice(wordIndex, begin, size),
        },
        { words: count, training, seed: (seed ^ Math.imul(begin, 0x27d4eb2f)) >>> 0 },
      );
    const { features, first } =
      microBatch !== undefined && microBatch < samples
        ? inMicroBatches(encode, { samples, microBatch, variables: this.#textVariables(), constants: [visible] })
        : this.#textFeatures({ ids, attentionMask: visible, wordIndex }, { words: count, training, seed });
    const own = this.#config.text.global === 'cls' ? first : maskedMean(features as tf.Tensor3D, words);
    return {
      words: this.#normalizeWords(this.heads.word.apply(features!) as tf.Tensor3D, wordRows, training),
      global: this.#normalizeText(this.heads.text.apply(own!) as tf.Tensor2D, training),
      wordMask: words,
    };
  }

  /** `[b, l, c]` features of the words and `[b, c]` of the first piece. */
  #textFeatures(
    { ids, attentionMask, wordIndex }: Pick<Tokens, 'ids' | 'attentionMask' | 'wordIndex'>,
    { words, training, seed }: { words: number; training: boolean; seed: number },
  ): Record<'features' | 'first', tf.Tensor> {
    const { hiddenStates } = this.bert.apply({ ids, attentionMask }, { training, seed });
    const features = wordFeatures(hiddenStates, wordIndex, { words, layers: this.#config.text.lastLayers });
    const first = tf.squeeze(tf.slice(hiddenStates.at(-1)!, [0, 0, 0], [-1, 1, -1]), [1]);
    return { features, first };
  }

  /** What the features of texts depend on: PLAN never reads BERT's pooler. */
  #textVariables(): tf.Variable[] {
    return [...this.bert.parameters()].flatMap(([name, variable]) => (name.startsWith('pooler.') ? [] : [variable]));
  }

  /** Features `[…, c]` of the last stage in the space of the global vectors, `[…, d]`: linear once training is over. */
  imageVector(features: tf.Tensor, training = false): tf.Tensor {
    const projected = this.heads.image.apply(features);
    return this.norms.image?.apply(projected, training) ?? projected;
  }

  #normalizeText(text: tf.Tensor2D, training: boolean): tf.Tensor2D {
    return this.norms.text?.apply(text, training) ?? text;
  }

  #normalizePixels(pixels: tf.Tensor3D, training: boolean): tf.Tensor3D {
    return this.norms.pixel?.apply(pixels, training) ?? pixels;
  }

  /** Statistics over the words alone: padding would pull the mean towards itself. */
  #normalizeWords(words: tf.Tensor3D, rows: tf.Tensor1D, training: boolean): tf.Tensor3D {
    if (!this.norms.word) return words;
    const [b, l, d] = words.shape;
    const chosen = tf.gather(tf.reshape(words, [b * l, d]), rows);
    const normalized = this.norms.word.apply(chosen, training);
    return tf.reshape(tf.unsortedSegmentSum(normalized, rows, b * l), [b, l, d]) as tf.Tensor3D;
  }

  /** PLAN's loss of one batch (Eqs 2–27) and its terms, `global1`, `local1`, … of each round. */
  loss(
    images: tf.Tensor4D,
    batch: Tokens,
    alignment: Alignment,
    options: StepOptions = {},
  ): { total: tf.Scalar; terms: Record<string, tf.Scalar> } {
    if (alignment.local === 'none') {
      // The same number as refineAlignment's, without the similarity matrices that only its maps need.
      const { gather = (vectors) => vectors } = options;
      const image = gather(this.#imagesForLoss(images, options).global);
      const text = gather(this.encodeTexts(batch, options).global);
      const global = infoNce(image, text, { temperature: alignment.globalTemperature, directions: 'sum' });
      return { total: tf.mul(global, alignment.globalWeight), terms: { global1: global } };
    }
    const { loss, iterations } = this.refine(images, batch, alignment, options);
    const named = iterations.flatMap(({ losses }, t) =>
      Object.entries(losses).map(([name, term]) => [`${name}${t + 1}`, term]),
    );
    return { total: loss, terms: Object.fromEntries(named) };
  }

  /** The refinement of one batch: its loss and what each round saw and kept. */
  refine(
    images: tf.Tensor4D,
    batch: Tokens,
    alignment: Alignment,
    { training = false, seed = 0, microBatch, gather }: StepOptions = {},
  ) {
    const image = this.#imagesForLoss(images, { training, microBatch });
    const text = this.encodeTexts(batch, { training, seed, microBatch });
    return refineAlignment(
      {
        words: text.words,
        pixels: image.pixels,
        projectedPixels: image.projectedPixels,
        regionProjection: alignment.regionProjection ? (this.heads.region.weight as unknown as tf.Tensor2D) : undefined,
        alpha: this.alpha,
        beta: this.beta,
        wordMask: text.wordMask,
        globalImage: image.global,
        globalText: text.global,
      },
      {
        ...refinementOptions(alignment),
        training,
        seed,
        gather,
        encodeWords: (keep, iteration) => {
          const again = this.encodeTexts(batch, { training, seed: seed + iteration, microBatch, keep });
          return { words: again.words, globalText: again.global };
        },
      },
    );
  }

  /** Trainable parameters, named `image.*`, `text.*`, `heads.*`, `alpha`, `beta`. */
  parameters(): Map<string, tf.Variable> {
    return new Map([
      ...addPrefix('image', this.resnet.parameters()),
      ...addPrefix('text', this.bert.parameters()),
      ...Object.entries(this.heads).flatMap(([name, head]) => [...addPrefix(`heads.${name}`, head.parameters())]),
      ...Object.entries(this.norms).flatMap(([name, norm]) => [...addPrefix(`norms.${name}`, norm.parameters())]),
      ['alpha', this.alpha],
      ['beta', this.beta],
    ]);
  }

  /** Parameters and running statistics: everything a checkpoint holds of the model. */
  variables(): Map<string, tf.Variable> {
    const norms = Object.entries(this.norms).flatMap(([name, norm]) => [...addPrefix(`norms.${name}`, norm.buffers())]);
    return new Map([...this.parameters(), ...addPrefix('image', this.resnet.buffers()), ...norms]);
  }

  dispose(): void {
    for (const variable of this.variables().values()) variable.dispose();
  }
}

/** The configuration's words for the options of `refineAlignment`. */
export function refinementOptions(alignment: Alignment) {
  const {
    iterations,
    delta,
    local,
    features,
    negatives,
    imageGroup,
    pool,
    attention,
    attentionTemperature,
    wordScore,
    keepRatio,
  } = alignment;
  return {
    iterations,
    delta,
    local,
    features,
    negatives,
    imageGroup: imageGroup || undefined,
    pool,
    attention,
    attentionTemperature,
    wordScore,
    keepRatio,
    similarity: { kind: alignment.similarity, scale: alignment.similarityScale },
    selection: { temperature: alignment.selectionTemperature, noise: alignment.selectionNoise },
    globalTemperature: alignment.globalTemperature,
    localTemperature: alignment.localTemperature,
    weights: { global: alignment.globalWeight, local: alignment.localWeight },
  };
}

/** `[b, h, w, c + 2]`: each pixel's place across and down, −1 at the first and 1 at the last, beside its values. */
function withCoordinates(images: tf.Tensor4D): tf.Tensor4D {
  const [, h, w, c] = images.shape;
  const across = tf.broadcastTo(tf.reshape(tf.linspace(-1, 1, w), [1, w, 1]), [h, w, 1]);
  const down = tf.broadcastTo(tf.reshape(tf.linspace(-1, 1, h), [h, 1, 1]), [h, w, 1]);
  const places = tf.concat([tf.zeros([h, w, c]), across, down], 2);
  // padding and adding: the wasm engine would concatenate the whole batch pixel by pixel
  const room = tf.pad(images, [[0, 0], [0, 0], [0, 0], [0, 2]]); // biome-ignore format: one pair per axis
  return tf.add(room, places) as tf.Tensor4D;
}

/** `[b, n]`: 1 for the pieces of kept words and for special pieces, 0 for the pieces of dropped words. */
function piecesOf(keep: tf.Tensor2D, wordIndex: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    const [b, l] = keep.shape;
    const padded = tf.concat([tf.ones([b, 1]), keep], 1) as tf.Tensor2D; // index −1 (special pieces) reads the 1 in front
    const rows = tf.reshape(tf.range(0, b * (l + 1), l + 1, 'int32'), [b, 1]);
    const flat = tf.reshape(tf.add(tf.add(wordIndex, 1), rows), [-1]);
    return tf.reshape(tf.gather(tf.reshape(padded, [-1]), tf.cast(flat, 'int32')), wordIndex.shape) as tf.Tensor2D;
  });
}

function maskedMean(words: tf.Tensor3D, mask: tf.Tensor2D): tf.Tensor2D {
  const weights = tf.expandDims(mask, 2);
  const count = tf.maximum(tf.sum(weights, 1), 1);
  return tf.div(tf.sum(tf.mul(words, weights), 1), count);
}

/** tf.variable keeps the tensor it is made from alive; the tidy frees it. */
const scalarVariable = (value: number) => tf.tidy(() => tf.variable(tf.scalar(value)));
