import { checkNumber, checkShape, OptionError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { runKernel } from './kernel';

/** One parameter with its gradient and Adam's two moments of it, all of one shape. */
export interface AdamParameter {
  weight: tf.Tensor;
  gradient: tf.Tensor;
  /** m */
  mean: tf.Tensor;
  /** v */
  square: tf.Tensor;
}

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
  /** `[]`: all gradients times this, before anything else; 1 */
  gradientScale?: tf.Scalar;
  /**
   * Allows the engine to overwrite weight, mean and square where nothing else refers to their values: read the results
   * instead of them. Saves memory and time on engines that can; false.
   */
  inPlace?: boolean;
}

/**
 * One Adam step of any number of parameters (Kingma & Ba 2015, Algorithm 1 in the order of its section 2), in one
 * kernel where the engine has it.
 *
 *     g ← gradientScale · gradient + penalty · w
 *     m ← β₁ m + (1 − β₁) g      v ← β₂ v + (1 − β₂) g²
 *     w ← shrink · w − stepSize · m / (√v + epsilon)
 *
 * @param parameters each of any shape; `gradient`, `mean` m and `square` v of their weight's shape.
 * @returns the new weight, m and v of each, in order; nothing is changed in place unless `inPlace` allows it.
 * @throws ShapeError if shapes differ; OptionError for a number out of range.
 * @example
 * const [weight, gradient, zero] = [tf.tensor1d([1]), tf.tensor1d([4]), tf.tensor1d([0])];
 * const parameters = [{ weight, gradient, mean: zero, square: zero }];
 * const [next] = adamStep(parameters, { stepSize: 0.5, beta1: 0.5, beta2: 0.5, epsilon: 0 });
 * await next.mean.data(); // [2]
 * await next.square.data(); // [8]
 */
export function adamStep(
  parameters: AdamParameter[],
  { stepSize, beta1, beta2, epsilon, penalty = 0, shrink = 1, gradientScale, inPlace = false }: AdamStepOptions,
): Omit<AdamParameter, 'gradient'>[] {
  for (const [i, { weight, ...others }] of parameters.entries()) {
    const shape = weight.shape.join(' ');
    for (const [name, tensor] of Object.entries(others)) checkShape(`parameters[${i}].${name}`, tensor, shape);
  }
  for (const [name, value] of Object.entries({ stepSize, epsilon, penalty })) checkNumber(name, value, { minimum: 0 });
  for (const [name, value] of Object.entries({ beta1, beta2 })) checkNumber(name, value, { minimum: 0, maximum: 1 });
  checkNumber('shrink', shrink);
  if (gradientScale) checkShape('gradientScale', gradientScale, '');
  if (typeof inPlace !== 'boolean') throw new OptionError(`inPlace: expected true or false, got ${inPlace}`);
  if (parameters.length === 0) return [];
  const attributes = { stepSize, beta1, beta2, epsilon, penalty, shrink, inPlace };
  const inputs = parameters.flatMap(({ weight, gradient, mean, square }) => [weight, gradient, mean, square]);
  if (gradientScale) inputs.push(gradientScale);
  const outputs = tf.tidy(() =>
    runKernel('MedalignAdam', inputs, attributes, () =>
      parameters.flatMap(({ weight, gradient, mean, square }) => {
        const scaled = gradientScale ? tf.mul(gradient, gradientScale) : gradient;
        const g = penalty ? tf.add(scaled, tf.mul(weight, penalty)) : scaled;
        const newMean = tf.add(tf.mul(mean, beta1), tf.mul(g, 1 - beta1));
        const newSquare = tf.add(tf.mul(square, beta2), tf.mul(tf.square(g), 1 - beta2));
        const move = tf.div(tf.mul(newMean, stepSize), tf.add(tf.sqrt(newSquare), epsilon));
        return [tf.sub(shrink === 1 ? weight : tf.mul(weight, shrink), move), newMean, newSquare];
      }),
    ),
  );
  return parameters.map((_, i) => ({
    weight: outputs[3 * i]!,
    mean: outputs[3 * i + 1]!,
    square: outputs[3 * i + 2]!,
  }));
}
