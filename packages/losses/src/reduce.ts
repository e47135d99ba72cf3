import * as tf from '@tensorflow/tfjs-core';
import { asCounts } from './constant';
import type { Reduction } from './options';

/** Mean over the rows that count, sum, or the rows themselves. Rows that do not count must already be 0. */
export function reduceRows(rows: tf.Tensor, counted: tf.Tensor | undefined, reduction: Reduction): tf.Tensor {
  if (reduction === 'none') return rows;
  const total = tf.sum(rows);
  if (reduction === 'sum') return total;
  return tf.div(total, counted ? tf.maximum(tf.sum(asCounts(counted)), 1) : tf.scalar(rows.size));
}
