import * as tf from '@tensorflow/tfjs-core';
import { checkChoice, checkGradients, checkNumber, checkShape } from './checks';
import { l2Normalize } from './l2-normalize';

/** How two vectors are compared: cosine, inner product, or inner product over √d. */
export type SimilarityKind = 'cosine' | 'dot' | 'scaledDot';

/** A number, or a scalar tensor or variable when it is learned. */
export type ScalarLike = number | tf.Tensor;

/** Options of {@link pairwiseSimilarity} and of {@link wordPixelSimilarity}. */
export interface SimilarityOptions {
  kind?: SimilarityKind;
  /** factor on the result, such as a logit scale 1/τ; 1 */
  scale?: ScalarLike;
}

const KINDS: readonly SimilarityKind[] = ['cosine', 'dot', 'scaledDot'];

/**
 * Similarity of every row of `a` with every row of `b`.
 *
 *     cosine:    s_ij = scale · ⟨a_i, b_j⟩ / (‖a_i‖ ‖b_j‖)
 *     dot:       s_ij = scale · ⟨a_i, b_j⟩
 *     scaledDot: s_ij = scale · ⟨a_i, b_j⟩ / √d
 *
 * @param a `[n, d]`.
 * @param b `[m, d]`.
 * @param options `kind` ('cosine'), `scale` (1; number or scalar tensor).
 * @returns `[n, m]`.
 * @throws {ShapeError} if the widths differ.
 * @throws {OptionError} if `kind` is unknown.
 * @example
 * const a = tf.tensor2d([[3, 4]]);
 * const b = tf.tensor2d([[1, 0], [0, 2]]);
 * await pairwiseSimilarity(a, b).data(); // [0.6, 0.8]
 * await pairwiseSimilarity(a, b, { kind: 'dot', scale: 2 }).data(); // [6, 16]
 */
export function pairwiseSimilarity(
  a: tf.Tensor,
  b: tf.Tensor,
  { kind = 'cosine', scale = 1 }: SimilarityOptions = {},
): tf.Tensor2D {
  const sizes = checkShape('a', a, 'n d');
  checkShape('b', b, 'm d', sizes);
  return compare('pairwiseSimilarity', a, b, kind, scale) as tf.Tensor2D;
}

/**
 * Similarity of every word of a report with every pixel of its image (PLAN Eq 4).
 *
 *     S_ij = ⟨W_i, G_j⟩ / √d
 *
 * on raw features by default. The alternatives change what Eqs 6 and 8 can do with it: under 'cosine' their softmaxes
 * go flat, under 'dot' they saturate at the widths of real encoders.
 *
 * @param words `[b, l, d]` word features W.
 * @param pixels `[b, p, d]` image features G in the same space.
 * @param options `kind` ('scaledDot'), `scale` (1; number or scalar tensor).
 * @returns `[b, l, p]`. Rows of padded words and columns of padded pixels hold whatever the padding gives: pass the
 * masks to what follows.
 * @throws {ShapeError} if batch or width differ.
 * @throws {OptionError} if `kind` is unknown.
 * @example
 * const words = tf.tensor3d([[[2, 0, 0, 0], [0, 2, 0, 0]]]);
 * const pixels = tf.tensor3d([[[1, 3, 0, 0]]]);
 * await wordPixelSimilarity(words, pixels).data(); // [1, 3]
 */
export function wordPixelSimilarity(
  words: tf.Tensor,
  pixels: tf.Tensor,
  { kind = 'scaledDot', scale = 1 }: SimilarityOptions = {},
): tf.Tensor3D {
  const sizes = checkShape('words', words, 'b l d');
  checkShape('pixels', pixels, 'b p d', sizes);
  return compare('wordPixelSimilarity', words, pixels, kind, scale) as tf.Tensor3D;
}

function compare(caller: string, a: tf.Tensor, b: tf.Tensor, kind: SimilarityKind, scale: ScalarLike): tf.Tensor {
  checkGradients(caller);
  checkChoice('kind', kind, KINDS);
  if (typeof scale === 'number') checkNumber('scale', scale);
  return tf.tidy(() => {
    const [left, right] = kind === 'cosine' ? [l2Normalize(a), l2Normalize(b)] : [a, b];
    const products = tf.matMul(left, right, false, true);
    const factor = kind === 'scaledDot' ? 1 / Math.sqrt(a.shape.at(-1)!) : 1;
    if (typeof scale === 'number') return factor * scale === 1 ? products : tf.mul(products, factor * scale);
    return tf.mul(products, tf.mul(scale, factor));
  });
}
