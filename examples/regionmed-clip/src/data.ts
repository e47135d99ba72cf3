import {
  batches,
  captionId,
  cleanText,
  type Batch as ImageBatch,
  ImageCache,
  type MedRegionDataset,
  type MedRegionSample,
  type Placement,
  randomStream,
  resizePadCrop,
} from '@medalign/datasets';
import { buildVocabulary, createTokenizer, loadTokenizer, type Tokenizer } from '@medalign/encoders';
import { ConfigError } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { Config } from './config';
import { type MedRegionSplit, readDataset, splitOf } from './datasets';

/** What the losses need to know of a whole batch, on every replica. */
export interface Labels {
  /** Images, b. */
  size: number;
  /** `[b · r]`, 1 = an ROI. */
  roiMask: Float32Array;
  /** `[b · k]`, 1 = a negative caption. */
  negativeMask: Float32Array;
  /** `[b]`, equal for texts that say the same. */
  textIds: number[];
  captionIds: number[];
}

/** Decoded images with their texts and ROIs, not on an engine yet: what a thread can be sent. */
export interface Share {
  /** `[b, h, w, c]`, normalised. */
  images: Float32Array;
  shape: [number, number, number, number];
  /** `[b · r · 4]`, `[cx, cy, w, h]` in 0…1 of the model's view; 0 where there is none. */
  boxes: Float32Array;
  /** `[b · r]`. */
  roiMask: Float32Array;
  /** Matched with the image; cleaned, as all texts. */
  texts: string[];
  captions: string[];
  negatives: string[][];
  /** Of all shares together. */
  labels: Labels;
}

/** Tokenised texts on the engine, each once. */
export interface Tokens {
  /** int32 `[n, pieces]`. */
  ids: tf.Tensor2D;
  /** `[n, pieces]`, 1 = a piece. */
  attentionMask: tf.Tensor2D;
  /** Where each text that was given is, −1 = nowhere. */
  rows: Int32Array;
}

/** A share on the engine. */
export interface Inputs {
  images: tf.Tensor4D;
  /** `[b, r, 4]` */
  boxes: tf.Tensor3D;
  /** `[b, r]` */
  roiMask: tf.Tensor2D;
  texts: Tokens;
  /** `[b]` captions and then `[b · k]` negatives, −1 where there is none; undefined if the losses do not ask for them. */
  captions: Tokens | undefined;
  labels: Labels;
  dispose(): void;
}

/** A batch to evaluate. */
export interface Batch {
  samples: MedRegionSample[];
  transforms: Placement[];
  /** For each image, the numbers (in its list) of the ROIs that are in its row of `boxes`. */
  roiNumbers: number[][];
  share: Share;
}

/** A data set split by patient, with the vocabulary of its training texts. */
export class RegionMedData {
  readonly #cache = new ImageCache();

  constructor(
    readonly dataset: MedRegionDataset,
    readonly split: MedRegionSplit,
    readonly tokenizer: Tokenizer,
    readonly config: Config,
  ) {}

  get vocabulary(): string[] {
    return [...this.tokenizer.vocabulary];
  }

  /** Generates or reads the data set, splits it by patient, and reads or builds the tokenizer. */
  static async load(config: Config): Promise<RegionMedData> {
    const { fractions, seed } = config.data;
    const dataset = await readDataset(config.data);
    const split = splitOf(dataset, { fractions, seed });
    return new RegionMedData(dataset, split, await tokenizerOf(config, () => textsOf(split.train)), config);
  }

  /** @throws {ConfigError} if the training part does not fill a batch of some stage. */
  checkBatchSizes(): void {
    const images = this.split.train.length;
    const { stages, train } = this.config;
    for (const [i, { batchSize }] of stages.entries()) {
      if (batchSize <= images) continue;
      const fitting = Math.max(2, Math.floor(images / 4 / train.replicas)) * train.replicas;
      throw new ConfigError(
        `stages.${i}.batchSize: expected at most the ${images} images to train on, got ${batchSize}. Fix: --set stages.${i}.batchSize=${fitting}`,
      );
    }
  }

  /** One epoch of training batches in the order that (seed, epoch) fixes, from batch `start` on. */
  async *trainingBatches(epoch: number, { batchSize, start = 0 }: { batchSize: number; start?: number }) {
    const { seed } = this.config;
    const options = { seed, epoch, start, batchSize, shuffle: true, dropLast: true, training: true };
    for await (const batch of this.#batches(this.split.train, options)) {
      const { samples, skipped } = batch;
      yield { samples, skipped, share: this.#share(batch, epoch).share };
    }
  }

  /** All samples in their own order, centre crops. */
  async *evaluationBatches(samples: readonly MedRegionSample[], batchSize: number): AsyncGenerator<Batch> {
    for await (const batch of this.#batches(samples, { batchSize, shuffle: false })) {
      const { transforms } = batch;
      yield { samples: batch.samples as MedRegionSample[], transforms, ...this.#share(batch) };
    }
  }

  #batches(samples: readonly MedRegionSample[], options: NonNullable<Parameters<typeof batches>[1]>) {
    const { resize, crop, channels } = this.config.image;
    const transform = resizePadCrop({ resize, crop });
    const badImages = { limit: this.config.data.badImageLimit };
    return batches(samples, { ...options, transform, channels, badImages, cache: this.#cache });
  }

  /** @param epoch of training, for texts that are drawn; without it the report (or the summary) is taken. */
  #share(batch: ImageBatch, epoch?: number): { share: Share; roiNumbers: number[][] } {
    const { loss, model, data, seed } = this.config;
    const samples = batch.samples as MedRegionSample[];
    const views = samples.map((sample, i) => roisInView(sample, batch.transforms[i]!, model.roi.max));
    const texts = samples.map((sample) => {
      const lot = loss.text === 'sample' && epoch !== undefined && randomStream(seed, 'text', epoch, sample.id);
      const kind = lot ? (lot.chance(0.5) ? 'summary' : 'report') : loss.text;
      return cleanText(kind === 'summary' ? sample.summaryCaption : sample.report);
    });
    const captions = samples.map(({ regionCaption }) => cleanText(regionCaption));
    const negatives = samples.map(({ negativeCaptions }) => negativeCaptions.slice(0, data.negatives).map(cleanText));
    const [r, k] = [model.roi.max, data.negatives];
    const boxes = new Float32Array(samples.length * r * 4);
    views.forEach((view, i) => {
      view.forEach(({ box }, n) => {
        boxes.set(box, (i * r + n) * 4);
      });
    });
    const roiMask = filled(views, r);
    const labels: Labels = {
      size: samples.length,
      roiMask,
      negativeMask: filled(negatives, k),
      textIds: texts.map(captionId),
      captionIds: captions.map(captionId),
    };
    const { images, shape } = batch;
    const share = { images, shape, boxes, roiMask, texts, captions, negatives, labels };
    return { share, roiNumbers: views.map((view) => view.map(({ number }) => number)) };
  }
}

/** `[lists · n]`: 1 for the entries that a list has. */
const filled = (lists: readonly unknown[][], n: number) =>
  Float32Array.from({ length: lists.length * n }, (_, i) => Number(i % n < lists[Math.floor(i / n)]!.length));

/** ROIs that are seen, best score first (ties as listed), as shares of the model's view, at most `max`. */
export function roisInView({ rois }: Pick<MedRegionSample, 'rois'>, view: Placement, max: number) {
  const order = rois.map((_, number) => number).sort((a, b) => rois[b]!.score - rois[a]!.score || a - b);
  const { crop } = view;
  return order
    .flatMap((number) => {
      const box = view.toModel(rois[number]!);
      if (!box) return [];
      const { x, y, width, height } = box;
      return [{ number, box: [(x + width / 2) / crop, (y + height / 2) / crop, width / crop, height / crop] as const }];
    })
    .slice(0, max);
}

/** All texts of images, cleaned. */
const textsOf = (samples: readonly MedRegionSample[]) =>
  samples.flatMap(({ report, summaryCaption, regionCaption, negativeCaptions }) =>
    [report, summaryCaption, regionCaption, ...negativeCaptions].map(cleanText),
  );

/**
 * The tokenizer that is named, else one whose vocabulary is built from the training texts. Writes into the configuration
 * how it reads texts, so that a run folder and its checkpoints say so.
 */
export async function tokenizerOf(
  { model: { text } }: Pick<Config, 'model'>,
  texts: () => string[],
): Promise<Tokenizer> {
  const { vocabulary, vocabularySize: size, lowercase = true } = text;
  if (!vocabulary) return createTokenizer({ vocab: buildVocabulary(texts(), { size, lowercase }), lowercase });
  const tokenizer = await loadTokenizer(vocabulary, { lowercase: text.lowercase });
  text.lowercase = tokenizer.options.lowercase;
  return tokenizer;
}

/** The consecutive images of a batch that replica `rank` of `size` takes. */
export function shareOf(whole: Share, rank: number, size: number): Share {
  const [b, ...rest] = whole.shape;
  const [first, end] = [Math.floor((b * rank) / size), Math.floor((b * (rank + 1)) / size)];
  const part = <A extends Float32Array>(values: A) => {
    const each = values.length / b;
    return values.slice(first * each, end * each);
  };
  return {
    images: part(whole.images),
    shape: [end - first, ...rest],
    boxes: part(whole.boxes),
    roiMask: part(whole.roiMask),
    texts: whole.texts.slice(first, end),
    captions: whole.captions.slice(first, end),
    negatives: whole.negatives.slice(first, end),
    labels: whole.labels,
  };
}

/** @param regions whether captions and negatives are needed. */
export function onEngine(
  share: Share,
  tokenizer: Tokenizer,
  config: Pick<Config, 'data' | 'model'>,
  { regions }: { regions: boolean },
): Inputs {
  const [b] = share.shape;
  const r = config.model.roi.max;
  const images = tf.tensor4d(share.images, share.shape);
  const boxes = tf.tensor3d(share.boxes, [b, r, 4]);
  const roiMask = tf.tensor2d(share.roiMask, [b, r]);
  const texts = tokenize(share.texts, tokenizer, config);
  const padded = share.negatives.flatMap((list) =>
    Array.from({ length: config.data.negatives }, (_, k) => list[k] ?? null),
  );
  const captions = regions ? tokenize([...share.captions, ...padded], tokenizer, config) : undefined;
  const dispose = () => {
    tf.dispose([images, boxes, roiMask]);
    for (const tokens of [texts, captions]) if (tokens) tf.dispose([tokens.ids, tokens.attentionMask]);
  };
  return { images, boxes, roiMask, texts, captions, labels: share.labels, dispose };
}

/** Each different text once; null is no text. */
export function tokenize(
  texts: readonly (string | null)[],
  tokenizer: Tokenizer,
  { model }: Pick<Config, 'model'>,
): Tokens {
  const places = new Map<string, number>();
  for (const text of texts) if (text !== null && !places.has(text)) places.set(text, places.size);
  const maxPieces = model.text.maxPositions;
  const encoded = tokenizer.encode([...places.keys()], { maxPieces, maxWords: maxPieces });
  return {
    ids: tf.tensor2d(encoded.ids, encoded.shape as [number, number], 'int32'),
    attentionMask: tf.tensor2d(encoded.attentionMask, encoded.shape as [number, number]),
    rows: Int32Array.from(texts, (text) => (text === null ? -1 : places.get(text)!)),
  };
}
