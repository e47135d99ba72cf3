import { checkGradients, checkNumber, checkShape, maskedSoftmax } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { asCounts, isOn } from './constant';
import { logSumExp } from './log-sum-exp';
import { matchingLoss } from './matching';
import {
  asTemperature,
  checkChunkSize,
  checkReduction,
  type Directions,
  directionWeights,
  type Learnable,
  type Reduced,
  type Reduction,
} from './options';
import { attendedCosines, type Cosines, imagesPerBlock, overImages } from './over-images';
import { keepOn, keywordWeights, tokenMask } from './tokens';
import { unitRows } from './unit-rows';

/** Options of {@link gloriaLocalLoss}. */
export interface GloriaLocalOptions<R extends Reduction = Reduction> {
  wordMask?: tf.Tensor;
  pixelMask?: tf.Tensor;
  temperature?: Learnable;
  attentionTemperature?: number;
  aggregationTemperature?: number;
  directions?: Directions;
  reduction?: R;
  chunkSize?: number;
}

/**
 * GLoRIA's local loss: every report attends to every image word by word, and must fit its own best.
 *
 * With raw features w_i (words of report n) and v_j (pixels of image m):
 *
 *     ŝ_ij = softmax over words i of ⟨w_i, v_j⟩           a_ij = softmax over pixels j of ŝ_ij/τ_a
 *     c_i  = Σ_j a_ij v_j                                 s(n, m) = log Σ_i exp(cos(w_i, c_i)/τ_w)
 *     L    = cross-entropy of s/τ over the reports (image → text) + over the images (text → image)
 *
 * @param pixels `[b, p, d]` image features.
 * @param words `[b, l, d]` word features, report n belongs to image n.
 * @param options `wordMask` `[b, l]`, `pixelMask` `[b, p]`; `temperature` τ 0.1, `attentionTemperature` τ_a 0.25 and
 *   `aggregationTemperature` τ_w 0.2: the factors 10, 4 and 5 of the paper; `directions`, default `'sum'`; `reduction`;
 *   `chunkSize` images per block, default as many as keep a block under four million numbers.
 * @returns scalar for "mean" (over reports that have words) and "sum"; `[b]` for "none".
 * @throws {ShapeError} if shapes do not fit; {OptionError} if no report of the batch has a word.
 * @example
 * const x = tf.tensor3d([[[1, 0]], [[0, 1]]]);
 * await gloriaLocalLoss(x, x, { temperature: 5, directions: 'mean' }).data(); // 0.3133
 * @see Huang et al. 2021, GLoRIA, ICCV
 */
export function gloriaLocalLoss<R extends Reduction = 'mean'>(
  pixels: tf.Tensor,
  words: tf.Tensor,
  {
    wordMask,
    pixelMask,
    temperature = 0.1,
    attentionTemperature = 0.25,
    aggregationTemperature = 0.2,
    directions = 'sum',
    reduction = 'mean' as R,
    chunkSize,
  }: GloriaLocalOptions<R> = {},
): Reduced<R> {
  checkGradients('gloriaLocalLoss');
  const sizes = checkShape('words', words, 'b l d', checkShape('pixels', pixels, 'b p d'));
  if (pixelMask) checkShape('pixelMask', pixelMask, 'b p', sizes);
  checkNumber('attentionTemperature', attentionTemperature, { above: 0 });
  checkNumber('aggregationTemperature', aggregationTemperature, { above: 0 });
  checkReduction(reduction);
  const weights = directionWeights(directions);
  const [b, l, d] = words.shape as [number, number, number];
  const perBlock = checkChunkSize(chunkSize ?? imagesPerBlock(b * l, pixels.shape[1]!, d), b);

  return tf.tidy(() => {
    const on = tokenMask('wordMask', wordMask, 'b l', sizes);
    const { has } = keywordWeights(undefined, on, sizes, wordMask && 'wordMask');
    const pixelsOn = pixelMask && isOn(pixelMask);
    const queries = tf.reshape(keepOn(words, wordMask && on), [b * l, d]);
    const values = keepOn(pixels, pixelsOn);
    const cosines = overImages(
      { queries, units: unitRows(queries), wordMask: wordMask && asCounts(on) },
      { values, keys: values, mask: pixelsOn && asCounts(pixelsOn) },
      perBlock,
      attending([b, l], attentionTemperature),
    );
    const scaled = tf.div(tf.reshape(cosines, [b, l, b]), aggregationTemperature);
    const scores = tf.where(tf.expandDims(has, 1), logSumExp(scaled, 1, tf.expandDims(on, 2)), 0);
    const forward = tf.div(tf.transpose(scores), asTemperature('temperature', temperature));
    return matchingLoss({ forward, has, weights, reduction });
  });
}

const attending =
  ([b, l]: [number, number], temperature: number): Cosines =>
  ({ queries, units, wordMask }, block) => {
    const [c, p, d] = block.values.shape as [number, number, number];
    const similarity = tf.matMul(tf.reshape(block.keys, [c * p, d]), queries, false, true);
    const on = wordMask && isOn(tf.expandDims(wordMask, 0));
    const overWords = tf.reshape(maskedSoftmax(tf.reshape(similarity, [c * p, b, l]), on), [c, p, b * l]);
    const logits = tf.div(tf.transpose(overWords, [0, 2, 1]), temperature);
    const attention = maskedSoftmax(logits, block.mask && isOn(tf.expandDims(block.mask, 1)));
    return attendedCosines(attention, block, units);
  };
