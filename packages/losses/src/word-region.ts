import { checkChoice, checkGradients, checkShape } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import {
  asTemperature,
  checkReduction,
  type Directions,
  directionWeights,
  type Learnable,
  type Reduced,
  type Reduction,
} from './options';
import { reduceRows } from './reduce';
import { type TokenNegatives, tokenTerms } from './token-terms';
import { keepOn, keywordWeights, tokenMask } from './tokens';
import { unitRows } from './unit-rows';

/** Options of {@link wordRegionLoss}. */
export interface WordRegionOptions<R extends Reduction = Reduction> {
  keywordMask?: tf.Tensor;
  wordMask?: tf.Tensor;
  negatives?: TokenNegatives;
  directions?: Directions;
  temperature?: Learnable;
  reduction?: R;
}

/**
 * Contrast of each keyword with its own soft region (PLAN Eqs 12–13).
 *
 * With unit regions v_i and unit words w_i of one report, and its keywords K among its words:
 *
 *     forward_i  = −log exp(⟨v_i, w_i⟩/τ) / Σ_j exp(⟨v_i, w_j⟩/τ)
 *     backward_i = −log exp(⟨v_i, w_i⟩/τ) / Σ_j exp(⟨v_j, w_i⟩/τ)
 *     L          = mean over reports that have keywords of (1/|K|) Σ_{i ∈ K} (forward_i + backward_i)
 *
 * j runs over the words of `wordMask`: with `negatives: 'report'` those of the same report; `'batch'` those of every
 * report; `'pairs'` puts all pairs (i, j) of the report in one denominator, so that both directions coincide.
 *
 * Regions built with linear attention are a linear image of their words, so these negatives can be told apart without
 * looking at the image: for grounding see {@link imageRegionLoss}, whose negatives are other images.
 *
 * @param regions `[b, l, d]`, row i the region of word i, any norm (normalised here).
 * @param words `[b, l, d]`.
 * @param options `wordMask` `[b, l]`, the words still there; `keywordMask` `[b, l]`, default all of them, may be
 *   straight-through: it multiplies the terms, and the count it is divided by is a constant; `negatives`; `directions`
 *   `'sum'` (default), `'mean'`, `'forward'` or weights; `temperature` τ, a number or a scalar tensor, default 0.1; `reduction`.
 * @returns scalar for "mean" and "sum"; `[b]`, one per report, for "none" (0 for a report without keywords).
 * @throws {ShapeError} if shapes do not fit; {OptionError} if no report of the batch has a keyword.
 * @example
 * const x = tf.tensor3d([[[1, 0], [0, 1]]]);
 * await wordRegionLoss(x, x, { temperature: 1, directions: 'mean' }).data(); // 0.3133
 * await wordRegionLoss(x, x, { temperature: 1, directions: 'mean', negatives: 'pairs' }).data(); // 1.0064
 */
export function wordRegionLoss<R extends Reduction = 'mean'>(
  regions: tf.Tensor,
  words: tf.Tensor,
  {
    keywordMask,
    wordMask,
    negatives = 'report',
    directions = 'sum',
    temperature = 0.1,
    reduction = 'mean' as R,
  }: WordRegionOptions<R> = {},
): Reduced<R> {
  checkGradients('wordRegionLoss');
  const sizes = checkShape('words', words, 'b l d', checkShape('regions', regions, 'b l d'));
  checkChoice('negatives', negatives, ['report', 'pairs', 'batch']);
  checkReduction(reduction);
  const weigh = directionWeights(directions);
  return tf.tidy(() => {
    const on = tokenMask('wordMask', wordMask, 'b l', sizes);
    const { weights, has } = keywordWeights(keywordMask, on, sizes, wordMask && 'wordMask');
    const [v, w] = [regions, words].map((x) => unitRows(keepOn(x, wordMask && on))) as [tf.Tensor, tf.Tensor];
    const terms = tokenTerms(v, w, on, asTemperature('temperature', temperature), weigh, negatives);
    return reduceRows(tf.sum(tf.mul(weights, terms), 1), has, reduction);
  });
}
