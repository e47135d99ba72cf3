import * as tf from '@tensorflow/tfjs-core';
import { constant } from './constant';

/**
 * Numbers of the rows that are on, read back from the mask; undefined when all of them are, or none. Work that grows with
 * the number of words is done on these rows alone: half of a batch of reports is padding.
 */
export function rowsOn(on: tf.Tensor | undefined): tf.Tensor | undefined {
  if (!on) return undefined;
  const flags = on.dataSync();
  const rows: number[] = [];
  flags.forEach((flag, row) => {
    if (flag) rows.push(row);
  });
  if (rows.length === 0 || rows.length === flags.length) return undefined;
  return constant(() => tf.tensor1d(rows, 'int32'));
}

/** Rows `[n, d]` of a `[total, d]` matrix; all of them when none are named. */
export const takeRows = (x: tf.Tensor, rows: tf.Tensor | undefined): tf.Tensor =>
  rows === undefined ? x : recorded(x, rows, gathered, (dy, saved) => scattered(dy, saved, x.shape[0]!));

/** The inverse: rows `[n, d]` put back into a `[total, d]` matrix of zeros. */
export const placeRows = (x: tf.Tensor, rows: tf.Tensor | undefined, total: number): tf.Tensor =>
  rows === undefined ? x : recorded(x, rows, (y, saved) => scattered(y, saved, total), gathered);

type Move = (x: tf.Tensor, rows: tf.Tensor) => tf.Tensor;

const gathered: Move = (x, rows) => tf.gather(x, rows);
const scattered = (x: tf.Tensor, rows: tf.Tensor, total: number) =>
  tf.unsortedSegmentSum(x, rows as tf.Tensor1D, total);

const recorded = (x: tf.Tensor, rows: tf.Tensor, forward: Move, backward: Move) =>
  tf.customGrad((input, save) => {
    (save as tf.GradSaveFunc)([rows]);
    return {
      value: forward(input as tf.Tensor, rows),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => backward(dy, saved[0] as tf.Tensor),
    };
  })(x) as tf.Tensor;
