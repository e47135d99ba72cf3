import {
  batchCount,
  batches,
  DataError,
  type Dataset,
  type Batch as ImageBatch,
  ImageCache,
  resizePadCrop,
  type Sample,
  type Split,
} from '@medalign/datasets';
import { buildVocabulary, createTokenizer, loadTokenizer, type Tokenizer } from '@medalign/encoders';
import { ConfigError } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { Config } from './config';
import { readDataset } from './datasets';
import { splitOf } from './evaluation-data';
import { type Tokens, tokenize } from './tokens';

/** Decoded images and their reports, not on an engine yet: what a thread can be sent. */
export interface Share {
  /** `[b, h, w, c]`, normalised. */
  images: Float32Array;
  shape: [number, number, number, number];
  reports: string[];
}

/** Images and their tokenised reports on the engine. */
export interface Pairs {
  images: tf.Tensor4D;
  texts: Tokens;
  dispose(): void;
}

/** A batch to evaluate. */
export interface Batch extends Pairs, Pick<ImageBatch, 'samples' | 'transforms'> {}

/** A data set split by patient, with the vocabulary of its training reports. */
export class PlanData {
  readonly #cache = new ImageCache();

  constructor(
    readonly dataset: Dataset,
    readonly split: Split,
    readonly tokenizer: Tokenizer,
    readonly config: Config,
  ) {}

  get vocabulary(): string[] {
    return [...this.tokenizer.vocabulary];
  }

  /** Generates or reads the data set, splits it by patient, and reads or builds the tokenizer. */
  static async load(config: Config): Promise<PlanData> {
    const { kind, path, seed, patients, size, fractions, reports, text, exclude, images } = config.data;
    const { imageFolder, allowMissingImages } = config.data;
    const phantom = { seed, patients, size };
    const options = { reports, text, exclude, images, imageFolder, allowMissingImages, phantom };
    const dataset = await readDataset(kind, path, options);
    const samples = dataset.samples.filter((sample) => sample.text.trim() !== '');
    const withoutText = dataset.samples.length - samples.length;
    if (withoutText) process.stderr.write(`${dataset.name}: ${withoutText} images without a report are left out\n`);
    if (samples.length === 0) {
      throw new ConfigError(
        `data.kind: ${kind} has no reports to train on. Fix: another data set; this one is for evaluate`,
      );
    }
    const split = inCommand(() => splitOf({ ...dataset, samples }, { fractions, seed, given: true }));
    return new PlanData(dataset, split, await tokenizerOf(config, split), config);
  }

  /** @throws {ConfigError} if the training part does not fill one batch. */
  stepsPerEpoch(): number {
    const { batchSize, replicas } = this.config.train;
    const steps = batchCount(this.split.train.length, batchSize, true);
    if (steps > 0) return steps;
    const fitting = Math.max(2, Math.floor(this.split.train.length / 4 / replicas)) * replicas;
    throw new ConfigError(
      `train.batchSize: expected at most the ${this.split.train.length} images to train on, got ${batchSize}. Fix: --set train.batchSize=${fitting}`,
    );
  }

  /** One epoch of training batches in the order that (seed, epoch) fixes, from batch `start` on. */
  trainingBatches(epoch: number, start = 0): AsyncGenerator<ImageBatch> {
    const { seed, train } = this.config;
    return this.#batches(this.split.train, {
      seed,
      epoch,
      start,
      batchSize: train.batchSize,
      shuffle: true,
      dropLast: true,
      training: true,
    });
  }

  /** All samples in their own order, centre crops. */
  async *evaluationBatches(samples: readonly Sample[], batchSize: number): AsyncGenerator<Batch> {
    for await (const batch of this.#batches(samples, { batchSize, shuffle: false })) {
      const { samples, transforms } = batch;
      yield { samples, transforms, ...onEngine(shareOf(batch, 0, 1), this.tokenizer, this.config) };
    }
  }

  tokenize(texts: readonly string[]): Tokens {
    return tokenize(texts, this.tokenizer, textLimits(this.config));
  }

  #batches(samples: readonly Sample[], options: NonNullable<Parameters<typeof batches>[1]>) {
    const { resize, crop, channels } = this.config.image;
    const transform = resizePadCrop({ resize, crop });
    const badImages = { limit: this.config.data.badImageLimit };
    return batches(samples, { ...options, transform, channels, badImages, cache: this.#cache });
  }
}

/** What a split lacks, with the options of the command. */
function inCommand<T>(split: () => T): T {
  try {
    return split();
  } catch (error) {
    if (!(error instanceof DataError) || !/fractions?\b/.test(error.message)) throw error;
    const fitting = /fractions (\{.*?\})/.exec(error.message)?.[1] ?? '{train: …, validation: …, test: …}';
    const message = error.message.replace(/\.?$/, '.');
    throw new DataError(`${message} Here: --set 'data.fractions=${fitting}'`, { cause: error });
  }
}

/**
 * The tokenizer that is named, else one whose vocabulary is built from the training reports. Writes into the configuration
 * how it reads texts, so that a run folder and its checkpoints say so.
 */
async function tokenizerOf({ model: { text } }: Config, { train }: Split): Promise<Tokenizer> {
  const { vocabulary, vocabularySize: size, lowercase = true } = text;
  if (!vocabulary) {
    const reports = train.map((sample) => sample.text);
    return createTokenizer({ vocab: buildVocabulary(reports, { size, lowercase }), lowercase });
  }
  const tokenizer = await loadTokenizer(vocabulary, { lowercase: text.lowercase });
  text.lowercase = tokenizer.options.lowercase;
  return tokenizer;
}

/** The consecutive pairs of a batch that replica `rank` of `size` takes. */
export function shareOf({ images, shape, samples }: ImageBatch, rank: number, size: number): Share {
  const [b, ...rest] = shape;
  const pixels = tf.util.sizeFromShape(rest);
  const [first, end] = [Math.floor((b * rank) / size), Math.floor((b * (rank + 1)) / size)];
  return {
    images: images.slice(first * pixels, end * pixels),
    shape: [end - first, ...rest],
    reports: samples.slice(first, end).map((sample) => sample.text),
  };
}

export function onEngine(share: Share, tokenizer: Tokenizer, config: Config): Pairs {
  const images = tf.tensor4d(share.images, share.shape);
  const texts = tokenize(share.reports, tokenizer, textLimits(config));
  const dispose = () => {
    images.dispose();
    texts.dispose();
  };
  return { images, texts, dispose };
}

/** How long a text may be: words that are kept, and pieces that the encoder has positions for. */
export const textLimits = ({ data, model }: Config) => ({
  maxWords: data.maxWords,
  maxPieces: model.text.maxPositions,
});
