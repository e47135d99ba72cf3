import {
  batches,
  cleanText,
  DataError,
  exposureJitter,
  type Batch as ImageBatch,
  ImageCache,
  type Placement,
  type Roi,
  randomStream,
  resizePadCrop,
  type Sample,
  type SkippedSample,
  type VqaDataset,
  type VqaSample,
} from '@medalign/datasets';
import { createTokenizer, type Tokenizer } from '@medalign/encoders';
import * as tf from '@tensorflow/tfjs-core';
import { roisInView, type Tokens, tokenize, tokenizerOf } from './data';
import type { VqaConfig } from './vqa-config';
import { readVqa, regionsOf, type VqaSplit, vqaSplit } from './vqa-datasets';

/** An image with all its questions of one part: what a batch is made of. */
export interface QuestionedImage extends Sample {
  questions: VqaSample[];
  rois: Roi[];
}

/** Decoded images with their ROIs and questions, not on an engine yet. */
export interface VqaBatch {
  /** Which batch of the epoch this is. */
  index: number;
  images: QuestionedImage[];
  transforms: Placement[];
  /** `[b, h, w, c]`, normalised. */
  pixels: Float32Array;
  shape: [number, number, number, number];
  /** `[b · r · 4]`, `[cx, cy, w, h]` in 0…1 of the model's view; 0 where there is none. */
  boxes: Float32Array;
  /** `[b · r]`, 1 = an ROI. */
  roiMask: Float32Array;
  /** Of all images, n. */
  questions: VqaSample[];
  /** `[n]`, the image of each question. */
  imageOf: Int32Array;
  /** `[n]`, the answer's number; −1 = no class. */
  labels: Int32Array;
  skipped: SkippedSample[];
}

/** A batch on the engine. */
export interface VqaInputs {
  images: tf.Tensor4D;
  /** `[b, r, 4]` */
  boxes: tf.Tensor3D;
  /** `[b, r]` */
  roiMask: tf.Tensor2D;
  questions: Tokens;
  /** int32 `[n]` */
  imageOf: tf.Tensor1D;
  /** int32 `[n]` */
  labels: tf.Tensor1D;
  dispose(): void;
}

/** A VQA set in three parts, with the answers and the words of its training questions. */
export class VqaData {
  readonly #cache = new ImageCache();
  readonly #numbers: Map<string, number>;

  constructor(
    readonly dataset: VqaDataset,
    readonly split: VqaSplit,
    /** Images of each part; those of training have only questions whose answer is a class. */
    readonly images: Record<'train' | 'validation' | 'test', QuestionedImage[]>,
    /** The classes: training answers, the most frequent first. */
    readonly answers: readonly string[],
    readonly tokenizer: Tokenizer,
    readonly config: VqaConfig,
  ) {
    this.#numbers = new Map(answers.map((answer, i) => [answer, i]));
  }

  get vocabulary(): string[] {
    return [...this.tokenizer.vocabulary];
  }

  /** Reads the data set that a configuration names. */
  static async load(config: VqaConfig, options: { vocabulary?: string[] } = {}): Promise<VqaData> {
    return VqaData.of(await readVqa(config.data), config, options);
  }

  /**
   * Makes the parts of a data set, looks for ROIs, and lists the answers and words of the training questions.
   *
   * @param options `vocabulary`: that of a checkpoint, instead of the words of the training questions.
   */
  static async of(
    dataset: VqaDataset,
    config: VqaConfig,
    { vocabulary }: { vocabulary?: string[] } = {},
  ): Promise<VqaData> {
    const split = vqaSplit(dataset, config.data);
    const answers = answersOf(split.train, config.data.minAnswerCount);
    const known = new Set(answers);
    const trained = split.train.filter(({ answer }) => known.has(answer));
    if (trained.length === 0)
      throw new DataError(
        `${dataset.name}: no training question is left: no answer is that of data.minAnswerCount=${config.data.minAnswerCount} of them`,
      );
    const asked = [...trained, ...split.validation, ...split.test];
    const rois = await regionsOf(asked, config.data.regions, { count: config.model.roi.max });
    const images = {
      train: byImage(trained, rois),
      validation: byImage(split.validation, rois),
      test: byImage(split.test, rois),
    };
    const { lowercase = true } = config.model.text;
    const tokenizer = vocabulary
      ? createTokenizer({ vocab: vocabulary, lowercase })
      : await tokenizerOf(config, () => split.train.map(({ question }) => cleanText(question)));
    return new VqaData(dataset, split, images, answers, tokenizer, config);
  }

  /** Images of a training batch: all of them where there are few. */
  get batchSize(): number {
    return Math.min(this.config.train.batchSize, this.images.train.length);
  }

  get stepsPerEpoch(): number {
    return Math.floor(this.images.train.length / this.batchSize);
  }

  /** One epoch of training batches in the order that (seed, epoch) fixes, from batch `start` on. */
  async *trainingBatches(epoch: number, { start = 0 }: { start?: number } = {}): AsyncGenerator<VqaBatch> {
    const { seed } = this.config;
    const { jitter } = this.config.train;
    const { batchSize } = this;
    const augment = exposureJitter({ brightness: jitter, contrast: jitter, gamma: jitter, noise: 0 });
    const options = { seed, epoch, start, batchSize, shuffle: true, dropLast: true, training: true };
    yield* this.#batches(this.images.train, { ...options, ...(jitter > 0 && { augment }) });
  }

  /** All images in their own order, centre crops. */
  evaluationBatches(images: readonly QuestionedImage[]): AsyncGenerator<VqaBatch> {
    return this.#batches(images, { batchSize: this.config.evaluate.batchSize, shuffle: false });
  }

  async *#batches(images: readonly QuestionedImage[], options: NonNullable<Parameters<typeof batches>[1]>) {
    const { resize, crop, channels } = this.config.image;
    const transform = resizePadCrop({ resize, crop });
    const badImages = { limit: this.config.data.badImageLimit };
    for await (const batch of batches(images, { ...options, transform, channels, badImages, cache: this.#cache }))
      yield this.#asked(batch);
  }

  #asked(batch: ImageBatch): VqaBatch {
    const images = batch.samples as QuestionedImage[];
    const { max } = this.config.model.roi;
    const boxes = new Float32Array(images.length * max * 4);
    const roiMask = new Float32Array(images.length * max);
    images.forEach((image, i) => {
      const seen = roisInView(image, batch.transforms[i]!, max).map(({ box }) => box);
      // without any, the image is its one ROI
      for (const [n, box] of (seen.length > 0 ? seen : [[0.5, 0.5, 1, 1] as const]).entries()) {
        boxes.set(box, (i * max + n) * 4);
        roiMask[i * max + n] = 1;
      }
    });
    const questions = images.flatMap((image) => image.questions);
    return {
      index: batch.index,
      images,
      transforms: batch.transforms,
      pixels: batch.images,
      shape: batch.shape,
      boxes,
      roiMask,
      questions,
      imageOf: Int32Array.from(images.flatMap((image, i) => image.questions.map(() => i))),
      labels: Int32Array.from(questions, ({ answer }) => this.#numbers.get(answer) ?? -1),
      skipped: batch.skipped,
    };
  }

  onEngine({ pixels, shape, boxes, roiMask, questions, imageOf, labels }: VqaBatch): VqaInputs {
    const [b] = shape;
    const r = roiMask.length / b;
    const texts = questions.map(({ question }) => cleanText(question));
    const tensors = {
      images: tf.tensor4d(pixels, shape),
      boxes: tf.tensor3d(boxes, [b, r, 4]),
      roiMask: tf.tensor2d(roiMask, [b, r]),
      imageOf: tf.tensor1d(imageOf, 'int32'),
      labels: tf.tensor1d(labels, 'int32'),
    };
    const tokens = tokenize(texts, this.tokenizer, this.config);
    const dispose = () => tf.dispose([...Object.values(tensors), tokens.ids, tokens.attentionMask]);
    return { ...tensors, questions: tokens, dispose };
  }
}

/** The answers of questions, the most frequent first, ties by alphabet. */
export function answersOf(questions: readonly VqaSample[], least = 1): string[] {
  const counts = new Map<string, number>();
  for (const { answer } of questions) counts.set(answer, (counts.get(answer) ?? 0) + 1);
  return [...counts]
    .filter(([, count]) => count >= least)
    .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
    .map(([answer]) => answer);
}

/** One sample for each image, with all its questions, in the order of the data set. */
function byImage(questions: readonly VqaSample[], rois: ReadonlyMap<string, Roi[]>): QuestionedImage[] {
  const groups = new Map<string, VqaSample[]>();
  for (const question of questions) {
    const group = groups.get(question.patientId);
    if (group) group.push(question);
    else groups.set(question.patientId, [question]);
  }
  return [...groups].map(([id, list]) => {
    const { image, patientId } = list[0]!;
    return { id, patientId, image, text: '', questions: list, rois: rois.get(id)! };
  });
}

/** The same questions, each about another image of the list: the order is turned by lot, and no image keeps its own. */
export function withWrongImages(images: readonly QuestionedImage[], seed: number): QuestionedImage[] {
  const order = randomStream(seed, 'wrong-image').shuffle(images.map((_, i) => i));
  const other = new Map(order.map((from, i) => [from, order[(i + 1) % order.length]!]));
  return images.map((one, i) => ({ ...images[other.get(i)!]!, id: one.id, questions: one.questions }));
}
