import { checkChoice, checkGradients, checkNumber, checkShape, maskedSoftmax, OptionError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { constant, keep } from './constants';
import { gumbel } from './gumbel';

/** What the soft selection is computed from: importance as z-scores, as logarithms, or as it is. */
export type ImportanceScale = 'zscore' | 'log' | 'raw';

/** Options of {@link selectKeywords}. */
export interface SelectionOptions {
  /** share of the words left that is kept, in (0, 1]; 0.7 */
  keepRatio?: number;
  /** `[b, l]`, 1 = a word that is left */
  wordMask?: tf.Tensor | undefined;
  /** divides the scaled importance; the lower, the closer to the plain top k; 1 */
  temperature?: number;
  /** Gumbel noise in training; true */
  noise?: boolean;
  /** needed for noise: another one each step, such as the step number */
  seed?: number | undefined;
  scale?: ImportanceScale;
  /** straight-through gradient and noise; false */
  training?: boolean;
}

/** What {@link selectKeywords} returns: the choice, and the weights that its gradient goes through. */
export interface Selection {
  /** `[b, l]`, exactly 0 or 1 */
  keywordMask: tf.Tensor2D;
  /** `[b, l]`, rows sum to 1; 0 at words that are not left */
  soft: tf.Tensor2D;
}

/**
 * The most important words of each report, with a gradient (PLAN, keyword selection).
 *
 *     k = max(1, ⌈keepRatio · n − 1e-9⌉) of the n words left
 *     evaluation:  the k words of largest γ'
 *     training:    s = scale(γ')/τ + Gumbel noise;   the k words of largest s
 *                  keywordMask = hard + soft − stop(soft),   soft = softmax(s)       (straight-through)
 *
 * so the mask is 0/1 in value, and its gradient is that of the softmax over the words left. Ties go to the lower index.
 * `scale` is 'zscore' `(γ' − mean)/√(variance + 1e-12)` over the words left, 'log' `log max(γ', 1e-6)`, which ties many words at
 * the floor, or 'raw' γ', which the noise drowns: importances differ by far less than 1.
 *
 * @param importance `[b, l]` γ'.
 * @param options `keepRatio` (0.7), `wordMask` `[b, l]`, `temperature` τ (1), `noise` (true; only in training), `seed`,
 * `scale` ('zscore'), `training` (false).
 * @returns `keywordMask` and `soft`, both `[b, l]`. A row without words is 0 in both.
 * @throws {OptionError} if an option is out of range, or noise is wanted without a seed.
 * @throws {ShapeError} if the mask does not fit.
 * @example
 * const importance = tf.tensor2d([[0.1, 0.4, 0.3, 0.9]]);
 * const wordMask = tf.tensor2d([[1, 1, 1, 0]]);
 * const { keywordMask } = selectKeywords(importance, { keepRatio: 0.5, wordMask });
 * await keywordMask.data(); // [0, 1, 1, 0]
 * @see Jang et al. 2017, arXiv 1611.01144 (straight-through Gumbel softmax); Kool et al. 2019, arXiv 1903.06059 (Gumbel top-k)
 */
export function selectKeywords(
  importance: tf.Tensor,
  {
    keepRatio = 0.7,
    wordMask,
    temperature = 1,
    noise = true,
    seed,
    scale = 'zscore',
    training = false,
  }: SelectionOptions = {},
): Selection {
  checkGradients('selectKeywords');
  const sizes = checkShape('importance', importance, 'b l');
  if (wordMask) checkShape('wordMask', wordMask, 'b l', sizes);
  checkNumber('keepRatio', keepRatio, { above: 0, maximum: 1 });
  checkNumber('temperature', temperature, { above: 0 });
  checkChoice('scale', scale, ['zscore', 'log', 'raw']);
  const noisy = training && noise;
  if (noisy && seed === undefined) {
    throw new OptionError(
      'seed: expected a whole number for the Gumbel noise, got undefined. Fix: pass the step number, or noise: false',
    );
  }
  if (seed !== undefined) checkNumber('seed', seed, { integer: true });
  const [b, l] = importance.shape as [number, number];

  return tf.tidy(() => {
    const valid = constant(() => (wordMask ? tf.notEqual(wordMask, 0) : tf.ones([b, l], 'bool')));
    let score = tf.div(scaled(keep(importance, wordMask), valid, scale), temperature);
    if (noisy) score = tf.add(score, tf.tensor2d(gumbel(b * l, seed!), [b, l]));
    const soft = maskedSoftmax(score, valid);
    const hard = constant(() => topWords(training ? score : importance, valid, keepRatio));
    return { keywordMask: training ? straightThrough(soft, hard) : hard, soft };
  }) as Selection;
}

function scaled(importance: tf.Tensor, valid: tf.Tensor, scale: ImportanceScale): tf.Tensor {
  if (scale === 'raw') return importance;
  if (scale === 'log') return tf.log(tf.maximum(importance, 1e-6));
  const count = constant(() => tf.maximum(tf.sum(tf.cast(valid, 'float32'), 1, true), 1));
  const average = (x: tf.Tensor) => tf.div(tf.sum(keep(x, valid), 1, true), count);
  const centred = tf.sub(importance, average(importance));
  return tf.div(centred, tf.sqrt(tf.add(average(tf.square(centred)), 1e-12)));
}

/** 1 for the k best of the valid words of each row, by counting for each word those that go before it. */
function topWords(score: tf.Tensor, valid: tf.Tensor, keepRatio: number): tf.Tensor {
  const l = score.shape[1]!;
  // k for every possible n, in float64: 0.56 · 25 is a little over 14, and float32 does not resolve the 1e-9 that mends it
  const counts = Array.from({ length: l + 1 }, (_, n) => (n ? Math.max(1, Math.ceil(keepRatio * n - 1e-9)) : 0));
  const k = tf.gather(tf.tensor1d(counts), tf.sum(tf.cast(valid, 'int32'), 1));
  const [own, other] = [tf.expandDims(score, 2), tf.expandDims(score, 1)];
  const places = tf.range(0, l);
  const earlier = tf.less(tf.reshape(places, [1, 1, l]), tf.reshape(places, [1, l, 1]));
  const beaten = tf.logicalOr(tf.greater(other, own), tf.logicalAnd(tf.equal(other, own), earlier));
  const rank = tf.sum(tf.cast(tf.logicalAnd(beaten, tf.expandDims(valid, 1)), 'float32'), 2);
  return tf.cast(tf.logicalAnd(valid, tf.less(rank, tf.expandDims(k, 1))), 'float32');
}

/** The value of `hard`, the gradient of `soft`. */
function straightThrough(soft: tf.Tensor, hard: tf.Tensor): tf.Tensor {
  const estimator = tf.customGrad((_soft) => ({ value: tf.clone(hard), gradFunc: (dy: tf.Tensor) => tf.clone(dy) }));
  return estimator(soft);
}
