import * as tf from '@tensorflow/tfjs-core';
import { asCounts, constant } from './constant';
import type { Reduced, Reduction } from './options';
import { reduceRows } from './reduce';

/** Whether an image has an entry that is on: `[b, n]` → `[b]`. */
export const hasAny = (on: tf.Tensor): tf.Tensor => constant(() => tf.any(on, 1));

/** How many entries are on, at least 1 so that it can divide: `[b, n]` → `[b, 1]`. */
export const countOf = (on: tf.Tensor): tf.Tensor =>
  constant(() => tf.maximum(tf.sum(tf.cast(on, 'float32'), 1, true), 1));

/**
 * `'mean'`: over an image's ROIs, then over images that have any. `'sum'`: over all ROIs. `'none'`: `[b]`, the mean of each
 * image's ROIs. A batch without ROIs gives 0.
 */
export function reduceRois<R extends Reduction>(terms: tf.Tensor, on: tf.Tensor, reduction: R): Reduced<R> {
  const kept = tf.where(on, terms, 0);
  if (reduction === 'sum') return tf.sum(kept) as Reduced<R>;
  const share = tf.div(asCounts(on), countOf(on));
  return reduceRows(tf.sum(tf.mul(kept, share), 1), hasAny(on), reduction);
}
