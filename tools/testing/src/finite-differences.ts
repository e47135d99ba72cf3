import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { maxDifference } from './close';

/** Central differences of a scalar function with respect to one of its tensors, element by element. */
export function numericalGradient(
  f: (...inputs: tf.Tensor[]) => tf.Scalar,
  inputs: tf.Tensor[],
  which: number,
  step = 1e-2,
): Float64Array {
  const base = inputs[which]!;
  const values = Float32Array.from(base.dataSync());
  const at = (i: number, delta: number) =>
    tf.tidy(() => {
      const moved = values.slice();
      moved[i] = moved[i]! + delta;
      return f(...inputs.map((input, k) => (k === which ? tf.tensor(moved, base.shape) : input))).dataSync()[0]!;
    });
  return Float64Array.from(values, (_, i) => (at(i, step) - at(i, -step)) / (2 * step));
}

/**
 * Fails unless tfjs's gradient of a scalar function agrees with central differences for every input.
 * float32 arithmetic bounds what can be asked: with step 1e-2 and values near 1, errors are about 1e-4.
 */
export function checkGradient(
  f: (...inputs: tf.Tensor[]) => tf.Scalar,
  inputs: tf.Tensor[],
  {
    tolerance = 5e-3,
    step = 1e-2,
    only = inputs.map((_, i) => i),
  }: { tolerance?: number; step?: number; only?: number[] } = {},
): void {
  const gradients = tf.grads(f)(inputs);
  for (const which of only) {
    const analytic = gradients[which]!.dataSync();
    const numeric = numericalGradient(f, inputs, which, step);
    expect(maxDifference(analytic, numeric), `gradient of input ${which}`).toBeLessThanOrEqual(tolerance);
  }
  tf.dispose(gradients);
}
