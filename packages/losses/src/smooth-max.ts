import * as tf from '@tensorflow/tfjs-core';

/**
 * How well each image shows each word: the smooth maximum over pixels of their similarity, `[n, c]`.
 *
 *     s_ic = τ log Σ_j q_cj exp(⟨query_i, key_cj⟩ / τ)
 *
 * With Σ_j q = 1 it lies between the mean and the maximum over the pixels with q > 0. Its derivative by a similarity is
 * the softmax attention, the one matrix that is kept for the backward pass.
 *
 * @param queries `[n, d]`
 * @param keys `[c, p, d]`
 * @param logWeights `[c, p]` log q, LOWEST for a pixel without weight
 * @param temperature τ
 */
export function smoothMax(queries: tf.Tensor, keys: tf.Tensor, logWeights: tf.Tensor, temperature: number): tf.Tensor {
  const [c, p, d] = keys.shape as [number, number, number];
  const n = queries.shape[0];
  return tf.customGrad((q, k, logs, save) => {
    const [scores, attention] = tf.tidy(() => {
      const flat = tf.reshape(k as tf.Tensor, [c * p, d]);
      const scaled = tf.div(q as tf.Tensor, temperature);
      const logits = tf.add(tf.reshape(tf.matMul(scaled, flat, false, true), [n, c, p]), logs as tf.Tensor);
      const shares = tf.softmax(logits);
      // at the largest logit, share = exp(logit − log Σ exp): the sum need not be formed again
      const logSum = tf.sub(tf.max(logits, 2), tf.log(tf.max(shares, 2)));
      return [tf.mul(logSum, temperature), shares] as [tf.Tensor, tf.Tensor];
    });
    (save as unknown as tf.GradSaveFunc)([q as tf.Tensor, k as tf.Tensor, attention]);
    return { value: scores, gradFunc: backward };
  })(queries, keys, logWeights);

  function backward(dScores: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
    return tf.tidy(() => {
      const [q, k, attention] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
      const dS = tf.mul(attention, tf.expandDims(dScores, 2));
      const flat = tf.reshape(dS, [n, c * p]);
      return [
        tf.matMul(flat, tf.reshape(k, [c * p, d])),
        tf.reshape(tf.matMul(flat, q, true, false), [c, p, d]),
        tf.mul(tf.sum(dS, 0), temperature),
      ];
    });
  }
}
