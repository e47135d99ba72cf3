import { setImmediate } from 'node:timers/promises';
import { batches, ImageCache, type Placement, resizePadCrop, type Sample } from '@medalign/datasets';
import { l2Normalize } from '@medalign/similarity';
import { Progress } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { Config } from './config';
import type { EncodedImages, PlanModel } from './model';
import type { Tokens } from './tokens';

/** What reads images and texts with a frozen model. */
export interface Reader {
  model: PlanModel;
  config: Config;
  tokenize: (texts: readonly string[]) => Tokens;
  signal?: AbortSignal | undefined;
  /** Gets the ids of images that cannot be decoded, and why. */
  broken?: Map<string, string>;
}

/** Encoded images, freed when the next batch is asked for. */
export interface EncodedBatch {
  samples: Sample[];
  transforms: Placement[];
  images: EncodedImages;
}

/** All samples in their order, centre crops, whether or not they have a report. */
export async function* encodedBatches(
  { model, config, signal, broken }: Reader,
  samples: readonly Sample[],
  label: string,
): AsyncGenerator<EncodedBatch> {
  const { resize, crop, channels } = config.image;
  const read = batches(samples, {
    batchSize: config.evaluate.batchSize,
    shuffle: false,
    transform: resizePadCrop({ resize, crop }),
    channels,
    badImages: { limit: config.data.badImageLimit },
    cache: new ImageCache(0),
    onSkip: ({ sample, error }) => {
      if (broken?.has(sample.id)) return; // images are read several times
      broken?.set(sample.id, error.message);
      process.stderr.write(`skipped ${sample.id}: ${error.message}\n`);
    },
  });
  const progress = new Progress({ total: samples.length, label });
  let done = 0;
  try {
    for await (const { images: pixels, shape, samples: own, transforms, skipped } of read) {
      await letSignalsIn(signal);
      const images = tf.tidy(() => model.encodeImages(tf.tensor4d(pixels, shape)));
      try {
        yield { samples: own, transforms, images };
      } finally {
        tf.dispose(images);
      }
      done += own.length + skipped.length;
      progress.update(done, { images: own.length });
    }
  } finally {
    progress.stop();
  }
}

/** Images from memory never wait for anything: a signal gets its turn here. */
export async function letSignalsIn(signal: AbortSignal | undefined): Promise<void> {
  await setImmediate();
  signal?.throwIfAborted();
}

/** One vector of each kind per image. */
export interface ImageFeatures {
  samples: Sample[];
  /** Unit vectors of the joint space, which texts are compared with. */
  global: Float32Array[];
  /** The image encoder's own: the mean of its last stage over the grid, before any projection. */
  pooled: Float32Array[];
}

export async function imageFeatures(reader: Reader, samples: readonly Sample[], label: string): Promise<ImageFeatures> {
  const features: ImageFeatures = { samples: [], global: [], pooled: [] };
  for await (const { samples: own, images } of encodedBatches(reader, samples, label)) {
    features.samples.push(...own);
    features.global.push(...(await rowsOf(() => l2Normalize(images.global) as tf.Tensor2D)));
    features.pooled.push(...(await rowsOf(() => tf.mean(images.lastFeatures, [1, 2]) as tf.Tensor2D)));
  }
  return features;
}

/** Unit vectors of texts; equal texts are encoded once. */
export async function textVectors(
  { model, config, tokenize, signal }: Reader,
  texts: readonly string[],
): Promise<Float32Array[]> {
  const { batchSize } = config.evaluate;
  const different = [...new Set(texts)];
  const vectors = new Map<string, Float32Array>();
  for (let start = 0; start < different.length; start += batchSize) {
    await letSignalsIn(signal);
    const chunk = different.slice(start, start + batchSize);
    const tokens = tokenize(chunk);
    const rows = await rowsOf(() => l2Normalize(model.encodeTexts(tokens).global) as tf.Tensor2D);
    tokens.dispose();
    chunk.forEach((text, i) => {
      vectors.set(text, rows[i]!);
    });
  }
  return texts.map((text) => vectors.get(text)!);
}

/** The rows of a `[b, d]` tensor, which is freed. */
export async function rowsOf(make: () => tf.Tensor2D): Promise<Float32Array[]> {
  const matrix = tf.tidy(make);
  const data = (await matrix.data()) as Float32Array;
  const [rows, d] = matrix.shape;
  matrix.dispose();
  return Array.from({ length: rows }, (_, i) => data.slice(i * d, (i + 1) * d));
}

/** ⟨a_i, b_j⟩ for all pairs. */
export function cosines(a: readonly Float32Array[], b: readonly Float32Array[]): number[][] {
  return a.map((x) =>
    b.map((y) => {
      let sum = 0;
      for (let k = 0; k < x.length; k++) sum += x[k]! * y[k]!;
      return sum;
    }),
  );
}
