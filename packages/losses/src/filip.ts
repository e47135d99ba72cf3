import { checkGradients, checkShape, lateInteraction } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { matchingLoss } from './matching';
import {
  asTemperature,
  checkReduction,
  type Directions,
  directionWeights,
  type Learnable,
  type Reduced,
  type Reduction,
} from './options';
import { keywordWeights, tokenMask } from './tokens';

/** Options of {@link filipLoss}. */
export interface FilipOptions<R extends Reduction = Reduction> {
  patchMask?: tf.Tensor;
  wordMask?: tf.Tensor;
  temperature?: Learnable;
  directions?: Directions;
  reduction?: R;
}

/**
 * Contrastive loss over token-wise late interaction (FILIP).
 *
 * With unit patches v_j of image x and unit words w_i of text y:
 *
 *     I(x, y) = mean_j max_i ⟨v_j, w_i⟩        T(x, y) = mean_i max_j ⟨w_i, v_j⟩
 *     L       = cross-entropy of I/τ over the texts (image → text), and of T/τ over the images (text → image)
 *
 * @param patches `[b, p, d]`, any norm (normalised here).
 * @param words `[b, l, d]`, text n belongs to image n.
 * @param options `patchMask` `[b, p]`, `wordMask` `[b, l]`, 1 = valid; `temperature` τ, a number or a scalar tensor,
 *   default 0.07; `directions`, default `'mean'`; `reduction`.
 * @returns scalar for "mean" (over texts that have words) and "sum"; `[b]` for "none".
 * @throws {ShapeError} if shapes do not fit; {OptionError} if no text of the batch has a word.
 * @example
 * const x = tf.tensor3d([[[1, 0]], [[0, 1]]]);
 * await filipLoss(x, x, { temperature: 1 }).data(); // 0.3133
 * @see Yao et al. 2022, FILIP, arXiv 2111.07783
 */
export function filipLoss<R extends Reduction = 'mean'>(
  patches: tf.Tensor,
  words: tf.Tensor,
  { patchMask, wordMask, temperature = 0.07, directions = 'mean', reduction = 'mean' as R }: FilipOptions<R> = {},
): Reduced<R> {
  checkGradients('filipLoss');
  const sizes = checkShape('words', words, 'b l d', checkShape('patches', patches, 'b p d'));
  if (patchMask) checkShape('patchMask', patchMask, 'b p', sizes);
  checkReduction(reduction);
  const weights = directionWeights(directions);
  return tf.tidy(() => {
    const tau = asTemperature('temperature', temperature);
    const on = tokenMask('wordMask', wordMask, 'b l', sizes);
    const { has } = keywordWeights(undefined, on, sizes, wordMask && 'wordMask');
    const imageToText = lateInteraction(patches, words, { maskA: patchMask, maskB: wordMask });
    const textToImage = lateInteraction(words, patches, { maskA: wordMask, maskB: patchMask });
    return matchingLoss({
      forward: tf.div(imageToText, tau),
      backward: tf.div(tf.transpose(textToImage), tau),
      has,
      weights,
      reduction,
    });
  });
}
