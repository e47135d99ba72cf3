import * as tf from '@tensorflow/tfjs-core';

/** −log sigmoid(−x) without overflow: max(x, 0) + log1p(exp(−|x|)). */
export const softplus = (x: tf.Tensor): tf.Tensor =>
  tf.customGrad((input, save) => {
    const value = tf.tidy(() => {
      const small = tf.tidy(() => tf.exp(tf.neg(tf.abs(input as tf.Tensor))));
      return tf.add(tf.relu(input as tf.Tensor), tf.log1p(small));
    });
    (save as tf.GradSaveFunc)([input as tf.Tensor]);
    return { value, gradFunc: (dy, [at]) => tf.tidy(() => tf.mul(dy, tf.sigmoid(at!))) };
  })(x);
