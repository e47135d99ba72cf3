import { checkGradients, checkNumber, checkShape, maskedSoftmax } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { constant } from './constant';
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
import { tokenTerms } from './token-terms';
import { keepOn, keywordWeights, tokenMask } from './tokens';
import { unitRows } from './unit-rows';

/** Options of {@link tokenAlignmentLoss}. */
export interface TokenAlignmentOptions<R extends Reduction = Reduction> {
  patchMask?: tf.Tensor;
  wordMask?: tf.Tensor;
  patchWeights?: tf.Tensor;
  wordWeights?: tf.Tensor;
  temperature?: Learnable;
  attentionTemperature?: number;
  directions?: Directions;
  reduction?: R;
}

/**
 * Token-wise alignment by cross-attention (MGCA). With unit patches v_j and unit words w_i of one sample:
 *
 *     o_i  = norm(Σ_j softmax_j(⟨w_i, v_j⟩/τ_a) v_j)          what word i sees in the image
 *     ℓ_i  = −½ [log softmax_k(⟨w_i, o_k⟩/τ)_i + log softmax_k(⟨w_k, o_i⟩/τ)_i]
 *     L    = mean over samples of Σ_i α_i ℓ_i  +  the same with patches and words exchanged
 *
 * This is the form of the authors' released code, whose default attends without learned projections; project the tokens
 * before for the paper's form.
 *
 * @param patches `[b, p, d]`, any norm (normalised here).
 * @param words `[b, l, d]`.
 * @param options `patchMask`, `wordMask`, 1 = valid; `patchWeights` `[b, p]`, `wordWeights` `[b, l]` importance ≥ 0 of the
 *   tokens (the attention of the last layer there), constants, scaled here to sum 1 per sample, default equal;
 *   `temperature` τ, default 0.1; `attentionTemperature` τ_a, default 0.1; `directions`: the patches' side is forward, the
 *   words' side backward, default `'sum'`; `reduction`.
 * @returns scalar for "mean" (over samples that have words and patches) and "sum"; `[b]` for "none".
 * @throws {ShapeError} if shapes do not fit; {OptionError} if no sample of the batch has a word, or none has a patch.
 * @example
 * const x = tf.tensor3d([[[1, 0], [0, 1]]]);
 * await tokenAlignmentLoss(x, x, { temperature: 1, attentionTemperature: 0.01, directions: 'mean' }).data(); // 0.3133
 * @see Wang et al. 2022, MGCA, arXiv 2210.06044
 */
export function tokenAlignmentLoss<R extends Reduction = 'mean'>(
  patches: tf.Tensor,
  words: tf.Tensor,
  {
    patchMask,
    wordMask,
    patchWeights,
    wordWeights,
    temperature = 0.1,
    attentionTemperature = 0.1,
    directions = 'sum',
    reduction = 'mean' as R,
  }: TokenAlignmentOptions<R> = {},
): Reduced<R> {
  checkGradients('tokenAlignmentLoss');
  const sizes = checkShape('words', words, 'b l d', checkShape('patches', patches, 'b p d'));
  if (patchWeights) checkShape('patchWeights', patchWeights, 'b p', sizes);
  if (wordWeights) checkShape('wordWeights', wordWeights, 'b l', sizes);
  checkNumber('attentionTemperature', attentionTemperature, { above: 0 });
  checkReduction(reduction);
  const weigh = directionWeights(directions);

  return tf.tidy(() => {
    const tau = asTemperature('temperature', temperature);
    const wordsOn = tokenMask('wordMask', wordMask, 'b l', sizes);
    const patchesOn = tokenMask('patchMask', patchMask, 'b p', sizes);
    const hasWord = keywordWeights(undefined, wordsOn, sizes, wordMask && 'wordMask').has;
    const pixelSizes = new Map(sizes).set('l', sizes.get('p')!);
    const hasPatch = keywordWeights(undefined, patchesOn, pixelSizes, patchMask && 'patchMask').has;
    const has = constant(() => tf.logicalAnd(hasWord, hasPatch));
    const v = unitRows(keepOn(patches, patchMask && patchesOn));
    const w = unitRows(keepOn(words, wordMask && wordsOn));
    const half = { forward: 0.5, backward: 0.5 };

    const side = (own: tf.Tensor, other: tf.Tensor, on: tf.Tensor, otherOn: tf.Tensor, weights?: tf.Tensor) => {
      const logits = tf.div(tf.matMul(own, other, false, true), attentionTemperature);
      const seen = unitRows(tf.matMul(maskedSoftmax(logits, tf.expandDims(otherOn, 1)), other));
      const terms = tokenTerms(own, keepOn(seen, on), on, tau, half);
      const sums = tf.sum(tf.mul(terms, shares(on, weights)), 1);
      return tf.where(has, sums, 0);
    };
    const sides: tf.Tensor[] = [];
    if (weigh.forward > 0) sides.push(tf.mul(side(v, w, patchesOn, wordsOn, patchWeights), weigh.forward));
    if (weigh.backward > 0) sides.push(tf.mul(side(w, v, wordsOn, patchesOn, wordWeights), weigh.backward));
    return reduceRows(sides.length === 1 ? sides[0]! : tf.add(sides[0]!, sides[1]!), has, reduction);
  });
}

/** Importance per token, 0 where masked, summing to 1 per sample that has any. */
function shares(on: tf.Tensor, weights: tf.Tensor | undefined): tf.Tensor {
  return constant(() => {
    const kept = weights ? tf.where(on, weights, 0) : tf.cast(on, 'float32');
    return tf.divNoNan(kept, tf.sum(kept, 1, true));
  });
}
