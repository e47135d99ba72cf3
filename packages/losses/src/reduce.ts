import * as tf from '@tensorflow/tfjs-core';
import { asCounts } from './constant';
import type { Reduced, Reduction } from './options';

/** Mean over the rows that count, sum, or the rows themselves. Rows that do not count must already be 0. */
export function reduceRows<R extends Reduction>(
  rows: tf.Tensor,
  counted: tf.Tensor | undefined,
  reduction: R,
): Reduced<R> {
  if (reduction === 'none') return rows as Reduced<R>;
  const total = tf.sum(rows);
  if (reduction === 'sum') return total as Reduced<R>;
  return tf.div(total, counted ? tf.maximum(tf.sum(asCounts(counted)), 1) : tf.scalar(rows.size)) as Reduced<R>;
}
