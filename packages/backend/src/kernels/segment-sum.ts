import type * as tf from '@tensorflow/tfjs-core';

/**
 * Adds row r of x into row `segmentIds[r]` of the result; ids outside `[0, numSegments)` are dropped.
 *
 * @param x values of shape `[…segments, …row]`, flat.
 * @param out values of shape `[numSegments, …row]`, flat, zero.
 */
export function segmentSum(x: tf.TypedArray, segmentIds: tf.TypedArray, out: tf.TypedArray, numSegments: number): void {
  const row = x.length / Math.max(1, segmentIds.length);
  segmentIds.forEach((segment: number, r: number) => {
    if (segment < 0 || segment >= numSegments) return;
    for (let i = r * row, target = segment * row; i < (r + 1) * row; i++, target++) out[target]! += x[i]!;
  });
}

/** Shape of a segment sum. */
export const segmentShape = (x: tf.TensorInfo, segmentIds: tf.TensorInfo, numSegments: number): number[] => [
  numSegments,
  ...x.shape.slice(segmentIds.shape.length),
];
