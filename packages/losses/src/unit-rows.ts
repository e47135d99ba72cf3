import * as tf from '@tensorflow/tfjs-core';

const EPSILON = 1e-12;

/**
 * x / max(‖x‖, 1e-12) over the last axis, with its own gradient, so that it also works where tfjs-core has none
 * registered. A row of zeros has no direction: it stays zero and its gradient is 0 (not the 1e12 of the formula).
 */
export function unitRows<T extends tf.Tensor>(x: T): T {
  return tf.customGrad((input, save) => {
    const norm = tf.tidy(() => tf.maximum(tf.sqrt(tf.sum(tf.square(input as tf.Tensor), -1, true)), EPSILON));
    const unit = tf.div(input as tf.Tensor, norm);
    (save as tf.GradSaveFunc)([unit, norm]);
    return {
      value: unit,
      gradFunc: (dy, saved) =>
        tf.tidy(() => {
          const [u, length] = saved as [tf.Tensor, tf.Tensor];
          const along = tf.sum(tf.mul(dy, u), -1, true);
          const gradient = tf.div(tf.sub(dy, tf.mul(u, along)), length);
          return tf.where(tf.greater(length, EPSILON), gradient, tf.zerosLike(gradient));
        }),
    };
  })(x) as T;
}
