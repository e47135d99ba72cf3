import * as tf from '@tensorflow/tfjs-core';
import { blockwise } from './blockwise';
import { blockSizes } from './options';
import { unitRows } from './unit-rows';

/** A block of c images. */
export interface ImageBlock {
  /** `[c, p, d]` */
  values: tf.Tensor;
  keys: tf.Tensor;
  /** `[c, p]` weight of each pixel, 0 where masked; undefined: all 1 */
  weights?: tf.Tensor;
  /** `[c, p]` 1 = valid, as float32 */
  mask?: tf.Tensor;
  /** `[d, d]` */
  projection?: tf.Tensor;
}

/** What all blocks share. */
export interface Queries {
  /** `[b·l, d]` words that ask */
  queries: tf.Tensor;
  /** the same words as unit vectors */
  units: tf.Tensor;
  /** `[b, l]` 1 = a word, as float32 */
  wordMask?: tf.Tensor;
}

export type Cosines = (words: Queries, images: ImageBlock) => tf.Tensor;

/** As many images as keep a block under sixteen million numbers (64 MB). */
export const imagesPerBlock = (words: number, pixels: number, width: number): number =>
  Math.max(1, Math.floor(2 ** 24 / (words * Math.max(pixels, width))));

/**
 * Cosine of every word with its region in every image, `[b·l, m]`, `chunkSize` images at a time. With more than one
 * block, a block's intermediates are computed again in the backward pass instead of being kept.
 */
export function overImages(words: Queries, images: ImageBlock, chunkSize: number, cosines: Cosines): tf.Tensor {
  const count = images.values.shape[0];
  if (chunkSize >= count) return cosines(words, images);
  const sharedNames = ['queries', 'units', 'wordMask', 'projection'] as const;
  const all = { ...words, ...images };
  const shared = sharedNames.filter((name) => all[name] !== undefined);
  const imageNames = ['values', 'keys', 'weights', 'mask'] as const;
  const sameKeys = images.keys === images.values;
  const perImage = imageNames.filter((name) => all[name] !== undefined && !(sameKeys && name === 'keys'));
  const block = (sharedTensors: tf.Tensor[], imageTensors: tf.Tensor[]) => {
    const named = Object.fromEntries([
      ...shared.map((name, i) => [name, sharedTensors[i]]),
      ...perImage.map((name, i) => [name, imageTensors[i]]),
    ]);
    return cosines(named, sameKeys ? { ...named, keys: named.values } : named);
  };
  const tensors = (names: readonly (keyof typeof all)[]) => names.map((name) => all[name]!);
  return blockwise(block, tensors(shared), tensors(perImage), blockSizes(count, chunkSize));
}

/** Cosines `[b·l, c]` of words with attended values: attention `[c, b·l, p]` over values `[c, p, d]`. */
export const attendedCosines = (attention: tf.Tensor, block: ImageBlock, units: tf.Tensor): tf.Tensor =>
  regionCosines(tf.matMul(attention, block.values), block, units);

/** Cosines `[n, c]` of words with their regions `[c, n, d]`. */
export function regionCosines(regions: tf.Tensor, { projection }: ImageBlock, units: tf.Tensor): tf.Tensor {
  const [c, words, d] = regions.shape as [number, number, number];
  const projected = projection
    ? tf.reshape(tf.matMul(tf.reshape(regions, [c * words, d]), projection), [c, words, d])
    : regions;
  return tf.transpose(tf.sum(tf.mul(unitRows(projected), tf.expandDims(units, 0)), 2));
}
