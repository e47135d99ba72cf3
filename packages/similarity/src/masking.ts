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
  words: tf.Tensor;
  /** `[b, 1]` valid pixels, at least 1 */
  pixels: tf.Tensor;
}

/** The validity of a `[b, l, p]` matrix, or undefined when no mask was given: then nothing has to be masked. */
export function validity(
  [b, l, p]: [number, number, number],
  { wordMask, pixelMask }: { wordMask?: tf.Tensor | undefined; pixelMask?: tf.Tensor | undefined },
): Validity | undefined {
  const sizes = new Map(
    Object.entries({ b, l, p }).map(([letter, size]) => [letter, { size, argument: 'similarity' }]),
  );
  if (wordMask) checkShape('wordMask', wordMask, 'b l', sizes);
  if (pixelMask) checkShape('pixelMask', pixelMask, 'b p', sizes);
  if (!wordMask && !pixelMask) return undefined;
  // One mask is repeated, two are combined: nothing of the size [b, l, p] is compared or reduced.
  const words = wordMask && (asCondition(wordMask) as tf.Tensor2D);
  const pixels = pixelMask && (asCondition(pixelMask) as tf.Tensor2D);
  const word = restricted(words, pixels, [b, l]);
  const pixel = restricted(pixels, words, [b, p]);
  const pair = (
    words && pixels
      ? tf.logicalAnd(tf.expandDims(words, 2), tf.expandDims(pixels, 1))
      : tf.broadcastTo(words ? tf.expandDims(words, 2) : tf.expandDims(pixels!, 1), [b, l, p])
  ) as tf.Tensor3D;
  const count = (valid: tf.Tensor) => tf.maximum(tf.sum(tf.cast(valid, 'float32'), 1, true), 1) as tf.Tensor2D;
  return { word, pixel, pair, words: count(word), pixels: count(pixel) };
}

/** What is valid on its own side, in samples where anything is on the other; a side without a mask is valid. */
function restricted(own: tf.Tensor2D | undefined, other: tf.Tensor2D | undefined, shape: [number, number]) {
  if (!other) return own!;
  const some = tf.any(other, 1, true);
  return (own ? tf.logicalAnd(own, some) : tf.broadcastTo(some, shape)) as tf.Tensor2D;
}
