import * as tf from '@tensorflow/tfjs-core';
import { checkGradients, checkShape } from './checks';
import { l2Normalize } from './l2-normalize';
import { asCondition, keepWhere } from './masking';

/**
 * Token-wise late interaction (FILIP): how well the tokens of one sample are matched in another.
 *
 *     s_xy = (1/|x|) Σ_{i ∈ x} max_{j ∈ y} cos(a_xi, b_yj)
 *
 * FILIP's two directions are two matrices: `lateInteraction(image, text)` is image → text, and text → image is
 * `lateInteraction(text, image)`, whose transpose has the same layout.
 * The token similarities of all pairs, n·l·m·p numbers, are held at once.
 *
 * @param a `[n, l, d]` tokens, any norm (normalised here).
 * @param b `[m, p, d]` tokens.
 * @param options `maskA` `[n, l]`, `maskB` `[m, p]`, 1 = valid.
 * @returns `[n, m]` in −1…1; 0 where a sample has no valid token.
 * @throws {ShapeError} if widths differ or a mask does not fit.
 * @example
 * const a = tf.tensor3d([[[1, 0], [0, 1]]]);
 * const b = tf.tensor3d([[[2, 0]], [[3, 4]]]);
 * await lateInteraction(a, b).data(); // [0.5, 0.7]
 * @see Yao et al. 2022, FILIP, arXiv 2111.07783
 */
export function lateInteraction(
  a: tf.Tensor,
  b: tf.Tensor,
  { maskA, maskB }: { maskA?: tf.Tensor | undefined; maskB?: tf.Tensor | undefined } = {},
): tf.Tensor2D {
  checkGradients('lateInteraction');
  const sizes = checkShape('a', a, 'n l d');
  checkShape('b', b, 'm p d', sizes);
  if (maskA) checkShape('maskA', maskA, 'n l', sizes);
  if (maskB) checkShape('maskB', maskB, 'm p', sizes);
  const [n, l, d] = a.shape as [number, number, number];
  const [m, p] = b.shape as [number, number, number];
  return tf.tidy(() => {
    const tokens = (x: tf.Tensor, mask: tf.Tensor | undefined) =>
      tf.reshape(l2Normalize(keepWhere(mask && tf.expandDims(asCondition(mask), 2), x)), [-1, d]);
    const cosines = tf.reshape(tf.matMul(tokens(a, maskA), tokens(b, maskB), false, true), [n, l, m, p]);
    // −2 lies below every cosine
    const best = tf.max(keepWhere(maskB && tf.reshape(asCondition(maskB), [1, 1, m, p]), cosines, -2), 3);
    const samples = maskB && tf.reshape(tf.any(asCondition(maskB), 1), [1, 1, m]);
    const matched = keepWhere(maskA && tf.expandDims(asCondition(maskA), 2), keepWhere(samples, best));
    const counts = maskA ? tf.maximum(tf.sum(tf.cast(asCondition(maskA), 'float32'), 1, true), 1) : l;
    return tf.div(tf.sum(matched, 1), counts) as tf.Tensor2D;
  });
}
