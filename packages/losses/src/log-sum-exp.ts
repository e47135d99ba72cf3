import * as tf from '@tensorflow/tfjs-core';

/** Stands for −∞ in masked places: finite, so that differences of two of them are 0 and not NaN. */
export const LOWEST = -1e30;

/**
 * log Σ exp(x) over one axis, over the places where `mask` (bool, broadcast) is on; the axis is removed.
 * One custom gradient, dy · softmax(x), instead of the six recorded steps of tf.logSumExp.
 */
export function logSumExp(x: tf.Tensor, axis: number, mask?: tf.Tensor): tf.Tensor {
  const masked = (values: tf.Tensor, on?: tf.Tensor) => (on ? tf.where(on, values, tf.scalar(LOWEST)) : values);
  return tf.customGrad((input, save) => {
    const values = masked(input as tf.Tensor, mask);
    const peak = tf.max(values, axis, true);
    const result = tf.add(tf.log(tf.sum(tf.exp(tf.sub(values, peak)), axis)), tf.squeeze(peak, [axis]));
    (save as tf.GradSaveFunc)(mask ? [input as tf.Tensor, result, mask] : [input as tf.Tensor, result]);
    return {
      value: result,
      gradFunc: (dy, saved) =>
        tf.tidy(() => {
          const [kept, total, on] = saved as [tf.Tensor, tf.Tensor, tf.Tensor | undefined];
          const shares = tf.exp(tf.sub(masked(kept, on), tf.expandDims(total, axis)));
          return tf.mul(tf.expandDims(dy, axis), shares);
        }),
    };
  })(x);
}
