import { maskedSoftmax } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';

export type Attend = { attention: 'softmax' | 'relu'; temperature: number; mask?: tf.Tensor | undefined };

/**
 * What each query sees in each image, f(Q K_cᵀ/τ) V_c as `[c, n, d]`, f the softmax over pixels or max(·, 0).
 *
 * Word–pixel matrices are what costs memory and time here, so the gradient is written out to touch them least: one is
 * kept (A), and Σ_j A_ij dA_ij, which the softmax subtracts, is read off the regions as ⟨R_i, dR_i⟩.
 *
 * @param queries `[n, d]`
 * @param keys `[c, p, d]`
 * @param values `[c, p, d]`, already weighted by pixel
 * @param options `mask` bool `[c, 1, p]`
 */
export function attend(
  queries: tf.Tensor,
  keys: tf.Tensor,
  values: tf.Tensor,
  { attention, temperature, mask }: Attend,
): tf.Tensor {
  return tf.customGrad((q, k, v, save) => {
    const [regions, shares] = tf.tidy(() => {
      const similarity = tf.matMul(scaled(q as tf.Tensor), k as tf.Tensor, false, true);
      const A = attention === 'softmax' ? maskedSoftmax(similarity, mask) : tf.relu(similarity);
      return [tf.matMul(A, v as tf.Tensor), A] as [tf.Tensor, tf.Tensor];
    });
    (save as unknown as tf.GradSaveFunc)([q as tf.Tensor, k as tf.Tensor, v as tf.Tensor, regions, shares]);
    return { value: regions, gradFunc: backward };
  })(queries, keys, values) as tf.Tensor;

  function scaled(x: tf.Tensor): tf.Tensor {
    return temperature === 1 ? x : tf.div(x, temperature);
  }

  function backward(dR: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
    return tf.tidy(() => {
      const [q, k, v, regions, A] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
      const dS = tf.tidy(() => {
        const dA = tf.matMul(dR, v, false, true);
        if (attention === 'relu') return tf.mul(dA, tf.step(A));
        return tf.mul(A, tf.sub(dA, tf.sum(tf.mul(dR, regions), 2, true)));
      });
      return [
        scaled(tf.sum(tf.matMul(dS, k), 0)),
        tf.matMul(dS, tf.expandDims(scaled(q), 0), true, false),
        tf.matMul(A, dR, true, false),
      ];
    });
  }
}
