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
export function smoothMax(
  queries: tf.Tensor2D,
  keys: tf.Tensor3D,
  logWeights: tf.Tensor2D,
  temperature: number,
): tf.Tensor2D {
  const [c, p, d] = keys.shape;
  const n = queries.shape[0];
  return tf.customGrad((q, k, logs, save) => {
    const [scores, attention] = tf.tidy(() => {
      const flat = tf.reshape(k as tf.Tensor, [c * p, d]) as tf.Tensor2D;
      const scaled = tf.div(q as tf.Tensor2D, temperature) as tf.Tensor2D;
      const logits = tf.add(tf.reshape(tf.matMul(scaled, flat, false, true), [n, c, p]), logs as tf.Tensor);
      const shares = tf.softmax(logits);
      // at the largest logit, share = exp(logit − log Σ exp): the sum need not be formed again
      const logSum = tf.sub(tf.max(logits, 2), tf.log(tf.max(shares, 2)));
      return [tf.mul(logSum, temperature), shares] as [tf.Tensor, tf.Tensor];
    });
    (save as unknown as tf.GradSaveFunc)([q as tf.Tensor, k as tf.Tensor, attention]);
    return { value: scores, gradFunc: backward };
  })(queries, keys, logWeights) as tf.Tensor2D;

  function backward(dScores: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
    return tf.tidy(() => {
      const [q, k, attention] = saved as [tf.Tensor2D, tf.Tensor3D, tf.Tensor3D];
      const dS = tf.mul(attention, tf.expandDims(dScores, 2));
      const flat = tf.reshape(dS, [n, c * p]) as tf.Tensor2D;
      return [
        tf.matMul(flat, tf.reshape(k, [c * p, d]) as tf.Tensor2D),
        tf.reshape(tf.matMul(flat, q, true, false), [c, p, d]),
        tf.mul(tf.sum(dS, 0), temperature),
      ];
    });
  }
}
