import * as tf from '@tensorflow/tfjs-core';

/** A 0/1 mask as bool. */
export const isOn = (mask: tf.Tensor): tf.Tensor => (mask.dtype === 'bool' ? mask : tf.notEqual(mask, 0));

/** `x` where the mask over its first axes is on, 0 elsewhere; what stands there, NaN included, is not read. */
export function keepOn<T extends tf.Tensor>(x: T, on: tf.Tensor | undefined): T {
  if (!on) return x;
  const condition = tf.reshape(on, [...on.shape, ...Array(x.rank - on.rank).fill(1)]);
  return tf.where(condition, x, 0) as T;
}

/** A value that no gradient flows through: a custom operation without inputs is on no path of the tape. */
export function constant<T extends tf.Tensor>(compute: () => T): T {
  return tf.customGrad(() => ({ value: compute(), gradFunc: () => [] }))() as T;
}
