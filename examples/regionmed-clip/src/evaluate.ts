import { cleanText, type MedRegionSample } from '@medalign/datasets';
import { boxMask, pointingGame, promptEnsemble, recallAtK, zeroShotScores } from '@medalign/eval-metrics';
import * as tf from '@tensorflow/tfjs-core';
import { onEngine, type RegionMedData, tokenize } from './data';
import type { RegionMedModel } from './model';
import { aggregate, promptsOf } from './prompts';

/** What a ROI is read from when it is to find its caption: the ROI itself, as it was encoded, or the whole image. */
export const hardNegativeReadings = ['fused', 'roi', 'image'] as const;
export type HardNegativeReading = (typeof hardNegativeReadings)[number];

/** Everything measured on one ROI. */
export interface RoiRecord {
  imageId: string;
  modality: string;
  /** 1: the region caption scores above all negative captions (a tie is 0); null: the image has no negatives. */
  hardNegative: Record<HardNegativeReading, 0 | 1 | null>;
  /** Negative captions it was told apart from. */
  negatives: number;
  /** 1: the patch that is looked at most (mean over heads) lies in the box. */
  pointing: 0 | 1 | null;
  /** Share of the image that the box covers: the pointing game of a random place. */
  area: number;
}

/** One image of the gallery. */
export interface ImageRecord {
  imageId: string;
  modality: string;
  /** Place of the best true match, from 0. */
  imageToText: number;
  textToImage: number;
}

/** Zero-shot scores of the images of one modality. */
export interface ZeroShot {
  modality: string;
  classes: string[];
  imageIds: string[];
  /** `[n][c]`, cosine with that prompt of the class which fits best. */
  scores: number[][];
  /** `[n][c]` 0, 1 or NaN. */
  labels: number[][];
}

/** What is measured on a set of images; means and intervals are made from it (summary.ts). */
export interface Measurements {
  images: ImageRecord[];
  /** Images, and as many texts. */
  gallery: number;
  /** Recall of a random order, mean of both directions; null where K is larger than the gallery. */
  recallChance: Record<1 | 5 | 10, number | null>;
  rois: RoiRecord[];
  zeroShot: ZeroShot[];
}

/** Reads a model on samples: retrieval, hard negatives, where ROIs look, zero-shot classes. */
export async function measure(
  model: RegionMedModel,
  data: RegionMedData,
  samples: readonly MedRegionSample[],
  { batchSize }: { batchSize: number },
): Promise<Measurements> {
  const read: MedRegionSample[] = [];
  const images: Float32Array[] = [];
  const texts: Float32Array[] = [];
  const textIds: number[] = [];
  const rois: RoiRecord[] = [];
  for await (const { samples: own, transforms, roiNumbers, share } of data.evaluationBatches(samples, batchSize)) {
    const inputs = onEngine(share, data.tokenizer, data.config, { regions: true });
    const { k, r } = { k: data.config.data.negatives, r: data.config.model.roi.max };
    const [b] = share.shape;
    const encoded = model.encodeRegions(inputs);
    const attention = tf.tidy(() => tf.mean(model.attention(encoded, inputs), 1) as tf.Tensor3D); // [b, r, 1 + p]
    const captions = model.encodeTexts(inputs.captions!);
    const reports = model.encodeTexts(inputs.texts);
    const [global, raw, fused] = await Promise.all([encoded.global, encoded.rois, encoded.fused].map(rowsOf));
    const captionRows = await rowsOf(captions);
    const looks = await rowsOf(attention);
    images.push(...global!);
    texts.push(...(await rowsOf(reports)));
    textIds.push(...share.labels.textIds);
    read.push(...own);
    own.forEach((sample, i) => {
      const wrong = share.negatives[i]!.map((_, n) => captionRows[b + i * k + n]!);
      roiNumbers[i]!.forEach((number, place) => {
        const own: Record<HardNegativeReading, Float32Array> = {
          fused: fused![i * r + place]!,
          roi: raw![i * r + place]!,
          image: global![i]!,
        };
        const above = (vector: Float32Array): 0 | 1 | null =>
          wrong.length === 0
            ? null
            : wrong.every((negative) => dot(vector, captionRows[i]!) > dot(vector, negative))
              ? 1
              : 0;
        const box = sample.rois[number]!;
        const view = transforms[i]!;
        const [height, width] = encoded.grid;
        // with the paper's literal keys there is one weight, and nowhere to point
        const patches = looks[i * r + place]!.subarray(-height * width);
        const map = patches.length === height * width ? view.toOriginal(patches, { height, width }) : undefined;
        rois.push({
          imageId: sample.id,
          modality: sample.modality,
          hardNegative: { fused: above(own.fused), roi: above(own.roi), image: above(own.image) },
          negatives: wrong.length,
          pointing: map ? pointingGame(map, boxMask([box], view)).value : null,
          area: (box.width * box.height) / (view.width * view.height),
        });
      });
    });
    tf.dispose([encoded.tokens, encoded.global, encoded.rois, encoded.fused, attention, captions, reports]);
    inputs.dispose();
  }
  const scores = images.map((image) => texts.map((text) => dot(image, text)));
  const columns = texts.map((_, j) => scores.map((row) => row[j]!));
  const chance = (k: number) => {
    if (k > texts.length) return null;
    const { imageToText, textToImage } = recallAtK(scores, { k, imageIds: textIds, textIds });
    return (imageToText.chance! + textToImage.chance!) / 2;
  };
  return {
    images: read.map(({ id, modality }, i) => ({
      imageId: id,
      modality,
      imageToText: bestPlace(scores[i]!, textIds, textIds[i]!),
      textToImage: bestPlace(columns[i]!, textIds, textIds[i]!),
    })),
    gallery: read.length,
    recallChance: { 1: chance(1), 5: chance(5), 10: chance(10) },
    rois,
    zeroShot: await zeroShot(model, data, read, images),
  };
}

/** Scores each image against the prompts of its modality's classes: those that are labelled in any of its images. */
async function zeroShot(
  model: RegionMedModel,
  data: RegionMedData,
  samples: readonly MedRegionSample[],
  vectors: readonly Float32Array[],
): Promise<ZeroShot[]> {
  const modalities = [...new Set(samples.map(({ modality }) => modality))].sort();
  const result: ZeroShot[] = [];
  for (const modality of modalities) {
    const places = samples.flatMap((sample, i) => (sample.modality === modality ? [i] : []));
    const classes = [...new Set(places.flatMap((i) => Object.keys(samples[i]!.labels ?? {})))];
    if (classes.length === 0) continue;
    const { texts, promptClasses } = promptEnsembleOf(classes);
    const tokens = tokenize(texts, data.tokenizer, data.config);
    const encoded = model.encodeTexts(tokens);
    const prompts = await rowsOf(encoded);
    tf.dispose([encoded, tokens.ids, tokens.attentionMask]);
    const { scores } = zeroShotScores(
      places.map((i) => vectors[i]!),
      prompts,
      { promptClasses, aggregate },
    );
    const label = (i: number, name: string) => {
      const value = samples[i]!.labels?.[name];
      return value === 0 || value === 1 ? value : Number.NaN;
    };
    result.push({
      modality,
      classes,
      imageIds: places.map((i) => samples[i]!.id),
      scores,
      labels: places.map((i) => classes.map((name) => label(i, name))),
    });
  }
  return result;
}

/** Every class in every template, cleaned; texts that are equal then are kept, so that each class has as many. */
function promptEnsembleOf(classes: readonly string[]): { texts: string[]; promptClasses: number[] } {
  const parts = classes.map((name) => {
    const { templates, synonyms } = promptsOf(name);
    return promptEnsemble({ [name]: synonyms }, { templates }).texts.map(cleanText);
  });
  return { texts: parts.flat(), promptClasses: parts.flatMap((texts, c) => texts.map(() => c)) };
}

/** Place of the best entry with this id when sorted from the highest score, ties by index. */
export function bestPlace(scores: readonly number[], ids: readonly number[], id: number): number {
  let best = -1;
  for (let j = 0; j < scores.length; j++) {
    if (ids[j] === id && (best < 0 || scores[j]! > scores[best]!)) best = j;
  }
  let place = 0;
  for (let j = 0; j < scores.length; j++) {
    if (scores[j]! > scores[best]! || (scores[j] === scores[best] && j < best)) place += 1;
  }
  return place;
}

/** `[…, d]` as one row for each of the others. */
async function rowsOf(tensor: tf.Tensor): Promise<Float32Array[]> {
  const data = (await tensor.data()) as Float32Array;
  const d = tensor.shape.at(-1)!;
  return Array.from({ length: data.length / d }, (_, i) => data.slice(i * d, (i + 1) * d));
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
