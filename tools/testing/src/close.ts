import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

type Values = tf.Tensor | ArrayLike<number> | number;

const flat = (values: Values): number[] =>
  typeof values === 'number'
    ? [values]
    : Array.from(values instanceof tf.Tensor ? values.dataSync() : (values as ArrayLike<number>));

/** Largest |actual − expected| / max(1, |expected|); NaN counts as infinitely far. Infinities must match. */
export function maxDifference(actual: Values, expected: Values): number {
  const a = flat(actual);
  const e = flat(expected);
  expect(a.length, 'number of values').toBe(e.length);
  let worst = 0;
  a.forEach((value, i) => {
    const wanted = e[i]!;
    if (Object.is(value, wanted)) return;
    const difference = Math.abs(value - wanted) / Math.max(1, Math.abs(wanted));
    worst = Math.max(worst, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
  });
  return worst;
}

/** Fails unless every value is within `tolerance` (absolute under 1, relative above) of the expected one. */
export function expectClose(actual: Values, expected: Values, tolerance = 1e-5): void {
  expect(maxDifference(actual, expected)).toBeLessThanOrEqual(tolerance);
}

/** A seeded normal sample (mulberry32 + Box–Muller), the same on every engine: `random(seed)` → next(). */
export function random(seed: number) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return {
    uniform,
    normal,
    /** A tensor of N(0, scale²) values. */
    tensor: <R extends tf.Rank = tf.Rank>(shape: number[], scale = 1): tf.Tensor<R> =>
      tf.tensor(
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => scale * normal()),
        shape as never,
      ) as tf.Tensor<R>,
  };
}
