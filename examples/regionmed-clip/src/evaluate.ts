import { cleanText, type MedRegionSample } from '@medalign/datasets';
import { boxMask, pointingGame, promptEnsemble, recallAtK, zeroShotScores } from '@medalign/eval-metrics';
import { ConfigError } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { Config } from './config';
import { type RegionMedData, tokenize } from './data';
import { dot, type EncodedSample, encodedSamples, rowsOf } from './encoded';
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

/** Place of the best true match, from 0. */
export interface Places {
  imageToText: number;
  textToImage: number;
}

/** One image of the gallery, searched by its own vector. */
export interface ImageRecord extends Places {
  imageId: string;
  modality: string;
  /** The same with its ROIs: needs their boxes, as an image of a new patient has them from a detector. */
  withRois: Places;
}

/** Zero-shot scores of the images of one modality. */
export interface ZeroShot {
  modality: string;
  classes: string[];
  imageIds: string[];
  /** `[n][c]`, of that prompt of the class which fits best. */
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

/**
 * Reads a model on samples: retrieval, hard negatives, where ROIs look, zero-shot classes.
 *
 * @param options `keep` gets everything that was encoded, for a report to show.
 */
export async function measure(
  model: RegionMedModel,
  data: RegionMedData,
  samples: readonly MedRegionSample[],
  { batchSize, keep }: { batchSize: number; keep?: EncodedSample[] },
): Promise<Measurements> {
  const read: MedRegionSample[] = [];
  const images: Float32Array[] = [];
  const withRois: Float32Array[] = [];
  const texts: Float32Array[] = [];
  const textIds: number[] = [];
  const rois: RoiRecord[] = [];
  for await (const encoded of encodedSamples(model, data, samples, { batchSize })) {
    const { sample, view, grid } = encoded;
    keep?.push(encoded);
    images.push(encoded.global);
    withRois.push(imageWithRois(encoded));
    texts.push(encoded.texts.own);
    textIds.push(encoded.texts.id);
    read.push(sample);
    for (const roi of encoded.rois) {
      const box = sample.rois[roi.number]!;
      const [height, width] = grid;
      const map = roi.looks && view.toOriginal(roi.looks, { height, width });
      rois.push({
        imageId: sample.id,
        modality: sample.modality,
        hardNegative: {
          fused: aboveNegatives(roi.fused, encoded.texts),
          roi: aboveNegatives(roi.raw, encoded.texts),
          image: aboveNegatives(encoded.global, encoded.texts),
        },
        negatives: encoded.texts.negatives.length,
        pointing: map ? pointingGame(map, boxMask([box], view)).value : null,
        area: (box.width * box.height) / (view.width * view.height),
      });
    }
  }
  const scores = images.map((image) => texts.map((text) => dot(image, text)));
  const placesOf = searchPlaces(images, texts, textIds);
  const placesWithRois = searchPlaces(withRois, texts, textIds);
  const chance = (k: number) => {
    if (k > texts.length) return null;
    const { imageToText, textToImage } = recallAtK(scores, { k, imageIds: textIds, textIds });
    return (imageToText.chance! + textToImage.chance!) / 2;
  };
  return {
    images: read.map(({ id, modality }, i) => ({
      imageId: id,
      modality,
      ...placesOf[i]!,
      withRois: placesWithRois[i]!,
    })),
    gallery: read.length,
    recallChance: { 1: chance(1), 5: chance(5), 10: chance(10) },
    rois,
    zeroShot: await zeroShot(model, data, read, images),
  };
}

/** Unit vector: that of the image plus that of the mean over its ROIs, after they have looked at it. */
function imageWithRois({ global, rois }: Pick<EncodedSample, 'global' | 'rois'>): Float32Array {
  if (rois.length === 0) return global;
  const mean = global.map((_, c) => rois.reduce((sum, { fused }) => sum + fused[c]!, 0));
  const unit = (v: Float32Array) => v.map((x) => x / Math.max(Math.sqrt(dot(v, v)), 1e-12));
  const region = unit(mean);
  return unit(global.map((x, c) => x + region[c]!));
}

/** Where each image finds its text and each text its image. */
function searchPlaces(images: readonly Float32Array[], texts: readonly Float32Array[], ids: number[]): Places[] {
  const scores = images.map((image) => texts.map((text) => dot(image, text)));
  return images.map((_, i) => ({
    imageToText: bestPlace(scores[i]!, ids, ids[i]!),
    textToImage: bestPlace(
      scores.map((row) => row[i]!),
      ids,
      ids[i]!,
    ),
  }));
}

/** 1: strictly closer to the caption than to every negative; null: there is none. */
function aboveNegatives(vector: Float32Array, { caption, negatives }: EncodedSample['texts']): 0 | 1 | null {
  if (negatives.length === 0) return null;
  const own = dot(vector, caption);
  return negatives.every((negative) => own > dot(vector, negative)) ? 1 : 0;
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
    const scores = await promptScores(model, data, classes, places.map((i) => vectors[i]!)); // biome-ignore format: one call
    const label = (i: number, name: string) => {
      const value = samples[i]!.labels?.[name];
      return value === 0 || value === 1 ? value : Number.NaN;
    };
    const labels = places.map((i) => classes.map((name) => label(i, name)));
    const several = labels.findIndex((row) => row.filter((value) => value === 1).length > 1);
    if (data.config.evaluate.zeroShot === 'softmax' && several >= 0) {
      throw new ConfigError(
        `evaluate.zeroShot: softmax is for classes that exclude each other, and image ${samples[places[several]!]!.id} has several. Fix: --set evaluate.zeroShot=cosine`,
      );
    }
    result.push({ modality, classes, imageIds: places.map((i) => samples[i]!.id), scores, labels });
  }
  return result;
}

/** `[n][c]` cosine of each image vector with that prompt of each class which fits best, or its softmax over the classes. */
export async function promptScores(
  model: RegionMedModel,
  data: RegionMedData,
  classes: readonly string[],
  vectors: readonly Float32Array[],
  scoring: Config['evaluate']['zeroShot'] = data.config.evaluate.zeroShot,
): Promise<number[][]> {
  const { texts, promptClasses } = promptEnsembleOf(classes);
  const tokens = tokenize(texts, data.tokenizer, data.config);
  const encoded = model.encodeTexts(tokens);
  const prompts = await rowsOf(encoded);
  tf.dispose([encoded, tokens.ids, tokens.attentionMask]);
  const temperature = model.temperature();
  return zeroShotScores(vectors, prompts, {
    promptClasses,
    aggregate,
    ...(scoring === 'softmax' && { acrossClasses: 'softmax', logitScale: 1 / temperature }),
  }).scores;
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
