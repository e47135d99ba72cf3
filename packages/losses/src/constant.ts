import * as tf from '@tensorflow/tfjs-core';

/**
 * A value that no gradient flows through. tfjs-core has no stop-gradient, and comparisons on a recorded tensor throw in
 * the backward pass; a custom operation without inputs is on no path of the tape.
 */
export function constant<T extends tf.Tensor>(compute: () => T): T {
  return tf.customGrad(() => ({ value: compute(), gradFunc: () => [] }))() as T;
}

/** Where a 0/1 mask (or a straight-through one, which is 0/1 up to rounding) is on. */
export const isOn = (mask: tf.Tensor): tf.Tensor => constant(() => tf.greater(mask, 0.5));

/** 1 where on, 0 elsewhere, as exact constants. */
export const asCounts = (on: tf.Tensor): tf.Tensor => constant(() => tf.cast(on, 'float32'));
