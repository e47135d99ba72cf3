import * as tf from '@tensorflow/tfjs-core';
import { checkGradients, checkNumber, checkShape, OptionError } from './checks';
import { initialImportance } from './initial-importance';
import { keepWhere, maskedSoftmax, validity } from './masking';
import type { ScalarLike } from './pairwise';

/** Importance of words and pixels for each other; letters as in {@link coImportance}. All 0 at invalid entries. */
export interface CoImportance {
  /** `[b, l]` a, Eq 5 */
  wordInitial: tf.Tensor2D;
  /** `[b, p]` b, Eq 5 */
  pixelInitial: tf.Tensor2D;
  /** `[b, l]` p, Eq 6: rows sum to 1 */
  wordPrior: tf.Tensor2D;
  /** `[b, p]` q, Eq 6: rows sum to 1 */
  pixelPrior: tf.Tensor2D;
  /** `[b, l]` γw, Eq 7 */
  wordRefined: tf.Tensor2D;
  /** `[b, p]` γp, Eq 7 */
  pixelRefined: tf.Tensor2D;
  /** `[b, l]` P, Eq 8: rows sum to 1 */
  wordWeights: tf.Tensor2D;
  /** `[b, p]` Q, Eq 8: rows sum to 1 */
  pixelWeights: tf.Tensor2D;
  /** `[b, l]` γ', what keywords are chosen by */
  wordImportance: tf.Tensor2D;
}

/** The weights of Eq 9: ½ each, the expected similarity, or two given ones. */
export type CoImportanceWeighting = 'half' | 'expected' | { word: ScalarLike; pixel: ScalarLike };

/** Options of {@link coImportance}. */
export interface CoImportanceOptions {
  /** α of Eq 5; 1 */
  alpha?: ScalarLike;
  /** β of Eq 5; 1 */
  beta?: ScalarLike;
  weighting?: CoImportanceWeighting;
  /** `[b, l]`, 1 = a word */
  wordMask?: tf.Tensor | undefined;
  /** `[b, p]`, 1 = a pixel of the image, 0 = padding */
  pixelMask?: tf.Tensor | undefined;
}

/**
 * Joint word–pixel importance Φ and its refinement (PLAN Eqs 5–9), kept as factors: no exponential of an l×p matrix.
 *
 *     a_i = mean_j S_ij + α std_j S_ij         b_j = mean_i S_ij + β std_i S_ij      (5)   std = √(population variance + 1e-6)
 *     Φ_ij = p_i q_j,   p = softmax(a)         q = softmax(b)                        (6)   = softmax of a_i + b_j over all (i, j)
 *     γw_i = p_i (S q)_i                       γp_j = q_j (Sᵀ p)_j                   (7)
 *     P = softmax(w_word γw)                   Q = softmax(w_pixel γp)               (8)   Φref_ij = P_i Q_j
 *     γ'_i = P_i (S Q)_i                                                             word importance read with Φref
 *
 * Eq 9 normalises Σγw and Σγp into the two weights w. Both sums are pᵀ S q whatever S is, so the weights are always equal,
 * and normalised by their sum they are the constant ½: that is `'half'`. `'expected'` takes w = max(pᵀ S q, 0) instead, with
 * its gradient; not clamped, a negative value would prefer the least important words.
 *
 * Means, deviations and softmaxes run over the valid entries only. A sample without a valid word, or without a valid
 * pixel, gives zeros everywhere and finite (zero) gradients.
 *
 * @param similarity `[b, l, p]` S.
 * @param options `alpha`, `beta` (1; numbers or learnable scalars), `weighting` ('half'), `wordMask` `[b, l]`,
 * `pixelMask` `[b, p]` (1 = valid; float32 or bool; constants: no gradient flows into a mask).
 * @returns the factors by name; see {@link CoImportance}.
 * @throws {ShapeError} if a mask does not fit.
 * @throws {OptionError} if `weighting` is unknown, or `alpha` or `beta` is not finite.
 * @example
 * const s = tf.tensor3d([[[4, 0], [0, 0]]]);
 * const { wordPrior, pixelPrior, wordRefined, wordWeights } = coImportance(s);
 * await wordPrior.data(); // [0.982, 0.018]
 * await pixelPrior.data(); // [0.982, 0.018]
 * await wordRefined.data(); // [3.8573, 0]
 * await wordWeights.data(); // [0.8731, 0.1269]
 */
export function coImportance(
  similarity: tf.Tensor,
  { alpha = 1, beta = 1, weighting = 'half', wordMask, pixelMask }: CoImportanceOptions = {},
): CoImportance {
  checkGradients('coImportance');
  checkShape('similarity', similarity, 'b l p');
  if (typeof alpha === 'number') checkNumber('alpha', alpha);
  if (typeof beta === 'number') checkNumber('beta', beta);
  const shape = similarity.shape as [number, number, number];
  const [, l, p] = shape;
  return tf.tidy(() => {
    const valid = validity(shape, { wordMask, pixelMask });
    const S = keepWhere(valid?.pair, similarity);

    const wordInitial = initialImportance(S, 2, alpha, valid?.pixels ?? p, {
      rows: valid?.word,
      counted: pixelMask && valid?.pixel,
    });
    const pixelInitial = initialImportance(S, 1, beta, valid?.words ?? l, {
      rows: valid?.pixel,
      counted: wordMask && valid?.word,
    });

    const wordPrior = maskedSoftmax(wordInitial, valid?.word);
    const pixelPrior = maskedSoftmax(pixelInitial, valid?.pixel);

    const overPixels = (q: tf.Tensor2D) => tf.squeeze(tf.matMul(S, tf.expandDims(q, 2)), [2]);
    const overWords = (p: tf.Tensor2D) => tf.squeeze(tf.matMul(tf.expandDims(p, 1), S), [1]);
    const wordRefined = tf.mul(wordPrior, overPixels(pixelPrior)) as tf.Tensor2D;
    const pixelRefined = tf.mul(pixelPrior, overWords(wordPrior)) as tf.Tensor2D;

    const { word, pixel } = weights(weighting, wordRefined);
    const wordWeights = maskedSoftmax(tf.mul(wordRefined, word) as tf.Tensor2D, valid?.word);
    const pixelWeights = maskedSoftmax(tf.mul(pixelRefined, pixel) as tf.Tensor2D, valid?.pixel);
    const wordImportance = tf.mul(wordWeights, overPixels(pixelWeights)) as tf.Tensor2D;

    return {
      wordInitial,
      pixelInitial,
      wordPrior,
      pixelPrior,
      wordRefined,
      pixelRefined,
      wordWeights,
      pixelWeights,
      wordImportance,
    };
  }) as CoImportance;
}

/** Eq 9. Σγw = Σγp, so one sum serves both sides. */
function weights(weighting: CoImportanceWeighting, wordRefined: tf.Tensor2D): { word: ScalarLike; pixel: ScalarLike } {
  if (weighting === 'half') return { word: 0.5, pixel: 0.5 };
  if (weighting === 'expected') {
    const expected = tf.relu(tf.sum(wordRefined, 1, true));
    return { word: expected, pixel: expected };
  }
  if (typeof weighting !== 'object' || weighting?.word === undefined || weighting?.pixel === undefined) {
    throw new OptionError(
      `weighting: expected 'half', 'expected' or { word, pixel }, got ${JSON.stringify(weighting)}`,
    );
  }
  for (const [name, value] of Object.entries(weighting)) {
    if (typeof value === 'number') checkNumber(`weighting.${name}`, value);
  }
  return weighting;
}
