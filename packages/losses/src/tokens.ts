import { checkShape, type Dimensions } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { asCounts, constant, isOn } from './constant';
import { checkAnyOn } from './options';

/** Tokens `[b, l, d]` with zeros where the mask is off, whatever stands there. */
export const keepOn = (tokens: tf.Tensor, on: tf.Tensor | undefined): tf.Tensor =>
  on ? tf.where(tf.expandDims(on, 2), tokens, 0) : tokens;

/** A mask `[b, l]` as bool, checked; all on when there is none. */
export function tokenMask(argument: string, mask: tf.Tensor | undefined, shape: string, sizes: Dimensions): tf.Tensor {
  const [b, l] = shape.split(' ').map((letter) => sizes.get(letter)!.size) as [number, number];
  if (!mask) return constant(() => tf.ones([b, l], 'bool'));
  checkShape(argument, mask, shape, sizes);
  return isOn(mask);
}

export interface KeywordWeights {
  /** `[b, l]` the keyword mask, 0 where there is no word; carries the mask's gradient */
  kept: tf.Tensor;
  /** `[b, l]` weight of each word in its report's mean: 1/count at keywords, 0 elsewhere; carries the mask's gradient */
  weights: tf.Tensor;
  /** `[b]` bool: reports that have a keyword */
  has: tf.Tensor;
}

/**
 * The weights of a mean over a report's keywords. The count is a constant, so a straight-through mask gets the gradient
 * of a weighted sum, also at words it leaves out. `wordMaskName` is given when the words come from a mask, to check it.
 */
export function keywordWeights(
  keywordMask: tf.Tensor | undefined,
  words: tf.Tensor,
  sizes: Dimensions,
  wordMaskName?: string,
): KeywordWeights {
  if (keywordMask) checkShape('keywordMask', keywordMask, 'b l', sizes);
  const keywords = keywordMask ? constant(() => tf.logicalAnd(words, tf.greater(keywordMask, 0.5))) : words;
  if (keywordMask) checkAnyOn('keywordMask', keywords, 'keyword');
  else if (wordMaskName) checkAnyOn(wordMaskName, keywords, 'valid token');
  const counts = constant(() => tf.maximum(tf.sum(tf.cast(keywords, 'float32'), 1, true), 1));
  const kept = keywordMask ? tf.where(words, keywordMask, 0) : asCounts(words);
  return {
    kept: kept,
    weights: tf.div(kept, counts),
    has: constant(() => tf.any(keywords, 1)),
  };
}
