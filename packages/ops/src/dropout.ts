import { checkGradients, checkNumber } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { runKernel, withGradient } from './kernel';
import { streamKey, streamValue } from './random';

/**
 * Dropout whose mask is a function of (seed, step) and the position: the same on every engine, repeatable after a resume.
 *
 *     y_i = x_i / (1 − rate)  if  u_i ≥ rate,  else 0        with u_i the uniform stream of (seed, step)
 *
 * @param x any shape.
 * @param options `rate` in [0, 1); `seed` and `step` whole numbers: give every place and every training step its own.
 * @returns the shape of `x`; `x` itself (a new handle) for rate 0.
 * @throws OptionError for a rate outside [0, 1).
 * @example
 * const x = tf.ones([8]);
 * await dropout(x, { rate: 0.5, seed: 1, step: 0 }).data(); // [0, 0, 2, 2, 0, 0, 2, 0]
 */
export function dropout(
  x: tf.Tensor,
  { rate, seed, step = 0 }: { rate: number; seed: number; step?: number },
): tf.Tensor {
  const { key } = dropoutAttributes({ rate, seed, step });
  checkGradients('dropout');
  if (rate === 0) return tf.clone(x);
  // The mask is linear in x, so the gradient is the same op on dy: an engine's own kernel needs no second one.
  const apply = (value: tf.Tensor) =>
    runKernel('MedalignDropout', { x: value }, { rate, key }, () => [
      tf.mul(value, tf.tensor(mask(value.size, rate, key), value.shape)),
    ])[0]!;
  if (tf.getKernel('MedalignDropout', tf.getBackend()))
    return tf.tidy(() =>
      withGradient(
        () => apply(x),
        (dy) => [apply(dy)],
        [x],
      ),
    );
  return tf.tidy(() => apply(x));
}

/** What a kernel that drops needs. */
export function dropoutAttributes({ rate, seed, step = 0 }: { rate: number; seed: number; step?: number }): {
  rate: number;
  key: number;
} {
  return { rate: checkNumber('rate', rate, { minimum: 0, maximum: 1 - 2 ** -24 }), key: streamKey(seed, step) };
}

function mask(size: number, rate: number, key: number): Float32Array {
  const threshold = rate * 0x100000000;
  const kept = 1 / (1 - rate);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) if (streamValue(key, i) >= threshold) values[i] = kept;
  return values;
}
