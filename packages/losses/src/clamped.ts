import * as tf from '@tensorflow/tfjs-core';

/**
 * The gradient of a scalar that is clamped to an interval: as it is inside, and outside only where descending leads back in.
 * An optimiser that steps over the edge does not get stuck there, as it would with a plain clamp.
 */
export const inwards = (gradient: tf.Tensor, at: tf.Tensor, minimum: number, maximum: number): tf.Tensor => {
  const outwards = tf.logicalOr(
    tf.logicalAnd(tf.greaterEqual(at, maximum), tf.less(gradient, 0)),
    tf.logicalAnd(tf.lessEqual(at, minimum), tf.greater(gradient, 0)),
  );
  return tf.where(outwards, tf.zerosLike(gradient), gradient);
};
