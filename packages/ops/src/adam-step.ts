import { checkNumber, checkShape } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { runKernel } from './kernel';

/** Numbers of one Adam step, bias corrections already in `stepSize` and `epsilon`. */
export interface AdamStepOptions {
  /** α √(1 − β₂ᵗ) / (1 − β₁ᵗ) */
  stepSize: number;
  /** β₁ */
  beta1: number;
  /** β₂ */
  beta2: number;
  /** ε √(1 − β₂ᵗ) */
  epsilon: number;
  /** L2 penalty added to the gradient (Adam); 0 */
  penalty?: number;
  /** factor on the weight before the move, 1 − αλ with decoupled decay (AdamW); 1 */
  shrink?: number;
}

/**
 * One Adam step of one parameter (Kingma & Ba 2015, Algorithm 1 in the order of its section 2), in one kernel where the
 * engine has it.
 *
 *     g ← gradient + penalty · w      m ← β₁ m + (1 − β₁) g      v ← β₂ v + (1 − β₂) g²
 *     w ← shrink · w − stepSize · m / (√v + epsilon)
 *
 * @param weight any shape; `gradient`, `mean` m and `square` v of the same shape.
 * @returns the new weight, m and v; nothing is changed in place.
 * @throws ShapeError if shapes differ; OptionError for a number out of range.
 * @example
 * const [w, zero] = [tf.tensor1d([1]), tf.tensor1d([0])];
 * const next = adamStep(w, tf.tensor1d([4]), zero, zero, { stepSize: 0.5, beta1: 0.5, beta2: 0.5, epsilon: 0 });
 * await next.mean.data(); // [2]
 * await next.square.data(); // [8]
 */
export function adamStep(
  weight: tf.Tensor,
  gradient: tf.Tensor,
  mean: tf.Tensor,
  square: tf.Tensor,
  { stepSize, beta1, beta2, epsilon, penalty = 0, shrink = 1 }: AdamStepOptions,
): { weight: tf.Tensor; mean: tf.Tensor; square: tf.Tensor } {
  const shape = weight.shape.join(' ');
  for (const [name, tensor] of Object.entries({ gradient, mean, square })) checkShape(name, tensor, shape);
  for (const [name, value] of Object.entries({ stepSize, epsilon, penalty })) checkNumber(name, value, { minimum: 0 });
  for (const [name, value] of Object.entries({ beta1, beta2 })) checkNumber(name, value, { minimum: 0, maximum: 1 });
  checkNumber('shrink', shrink);
  const attributes = { stepSize, beta1, beta2, epsilon, penalty, shrink };
  const [w, m, v] = tf.tidy(() =>
    runKernel('MedalignAdam', { weight, gradient, mean, square }, attributes, () => {
      const g = penalty ? tf.add(gradient, tf.mul(weight, penalty)) : gradient;
      const newMean = tf.add(tf.mul(mean, beta1), tf.mul(g, 1 - beta1));
      const newSquare = tf.add(tf.mul(square, beta2), tf.mul(tf.square(g), 1 - beta2));
      const move = tf.div(tf.mul(newMean, stepSize), tf.add(tf.sqrt(newSquare), epsilon));
      return [tf.sub(shrink === 1 ? weight : tf.mul(weight, shrink), move), newMean, newSquare];
    }),
  );
  return { weight: w!, mean: m!, square: v! };
}
