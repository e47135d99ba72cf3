import * as tf from '@tensorflow/tfjs-core';
import { checkShape, ShapeError } from './checks';

/** Far below any logit, and finite: −∞ − (−∞) in a row without a valid entry would be NaN. */
const EXCLUDED = -1e30;

/** A 0/1 mask as the boolean condition that `where` wants. */
export const asCondition = (mask: tf.Tensor): tf.Tensor => (mask.dtype === 'bool' ? mask : tf.notEqual(mask, 0));

/** `x` where the mask holds, `otherwise` elsewhere; whatever stands there, NaN included, is not read. */
export const keepWhere = <T extends tf.Tensor>(mask: tf.Tensor | undefined, x: T, otherwise = 0): T =>
  mask === undefined ? x : (tf.where(asCondition(mask), x, otherwise) as T);

/**
 * Softmax over the last axis, among the valid entries only.
 *
 *     y_i = m_i exp(x_i) / Σ_k m_k exp(x_k),    y = 0 in a row without a valid entry
 *
 * What stands at an invalid entry has no influence, and gets the gradient 0.
 *
 * @param logits `[…, n]`.
 * @param mask `[…, n]`, 1 = valid (float32 or bool), of a shape that broadcasts to that of `logits`; undefined = all valid.
 * @returns `[…, n]`; the valid entries of a row sum to 1.
 * @throws {ShapeError} if the mask does not broadcast to the logits.
 * @example
 * await maskedSoftmax(tf.tensor2d([[1, 1, 9]]), tf.tensor2d([[1, 1, 0]])).data(); // [0.5, 0.5, 0]
 */
export function maskedSoftmax<T extends tf.Tensor>(logits: T, mask?: tf.Tensor): T {
  if (mask === undefined) return tf.softmax(logits);
  const [m, n] = [mask.shape, logits.shape];
  if (m.length !== n.length || m.some((size, axis) => size !== n[axis] && size !== 1)) {
    throw new ShapeError(`mask: expected a shape that broadcasts to that of logits [${n}], got [${m}]`);
  }
  return tf.tidy(() => keepWhere(mask, tf.softmax(keepWhere(mask, logits, EXCLUDED))));
}

/** Validity of words and pixels in one similarity matrix; a sample with no valid word, or no valid pixel, has none of the other. */
export interface Validity {
  /** `[b, l]` bool */
  word: tf.Tensor2D;
  /** `[b, p]` bool */
  pixel: tf.Tensor2D;
  /** `[b, l, p]` bool */
  pair: tf.Tensor3D;
  /** `[b, 1]` valid words, at least 1 so that it can divide */
  words: tf.Tensor2D;
  /** `[b, 1]` valid pixels, at least 1 */
  pixels: tf.Tensor2D;
}

/** The validity of a `[b, l, p]` matrix, or undefined when no mask was given: then nothing has to be masked. */
export function validity(
  [b, l, p]: [number, number, number],
  { wordMask, pixelMask }: { wordMask?: tf.Tensor2D | undefined; pixelMask?: tf.Tensor2D | undefined },
): Validity | undefined {
  const sizes = new Map(
    Object.entries({ b, l, p }).map(([letter, size]) => [letter, { size, argument: 'similarity' }]),
  );
  if (wordMask) checkShape('wordMask', wordMask, 'b l', sizes);
  if (pixelMask) checkShape('pixelMask', pixelMask, 'b p', sizes);
  if (!wordMask && !pixelMask) return undefined;
  const words = wordMask ? asCondition(wordMask) : tf.ones([b, l], 'bool');
  const pixels = pixelMask ? asCondition(pixelMask) : tf.ones([b, p], 'bool');
  const pair = tf.logicalAnd(tf.expandDims(words, 2), tf.expandDims(pixels, 1)) as tf.Tensor3D;
  const [word, pixel] = [tf.any(pair, 2), tf.any(pair, 1)] as [tf.Tensor2D, tf.Tensor2D];
  const count = (valid: tf.Tensor) => tf.maximum(tf.sum(tf.cast(valid, 'float32'), 1, true), 1) as tf.Tensor2D;
  return { word, pixel, pair, words: count(word), pixels: count(pixel) };
}
