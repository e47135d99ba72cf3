import { checkNumber } from '@medalign/similarity';

/** A 32-bit mixing function (the "lowbias32" constants): every input bit flips half of the output bits. */
export function mix32(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** The key of the stream (seed, step): value i of the stream is `mix32(mix32(i) + key)`. */
export function streamKey(seed: number, step: number): number {
  checkNumber('seed', seed, { integer: true });
  checkNumber('step', step, { integer: true });
  return mix32(mix32(seed) + Math.imul(mix32(step ^ 0x5bd1e995), 0x9e3779b9));
}

/** Value i of a stream, a whole number in 0…2³² − 1. */
export const streamValue = (key: number, i: number): number => mix32(mix32(i) + key);

/**
 * Uniform values in [0, 1) that depend on (seed, step) and the position alone: the same on every engine and machine.
 *
 * @param count how many.
 * @param options `seed` and `step`, whole numbers; another step is another independent stream.
 * @returns `count` float32 values.
 * @throws OptionError if seed or step is not a whole number.
 * @example
 * seededUniform(3, { seed: 1 }); // [0.461, 0.3964, 0.5435]
 */
export function seededUniform(count: number, { seed, step = 0 }: { seed: number; step?: number }): Float32Array {
  const key = streamKey(seed, step);
  const values = new Float32Array(count);
  // 24 bits: a float32 cannot hold 32, and rounding up to 1 must not happen.
  for (let i = 0; i < count; i++) values[i] = (streamValue(key, i) >>> 8) / 0x1000000;
  return values;
}

/**
 * Normal values N(0, stddev²) that depend on (seed, step) and the position alone (Box–Muller over `seededUniform`'s stream).
 *
 * @param count how many.
 * @param options `seed`, `step` (default 0), `stddev` (default 1).
 * @returns `count` float32 values.
 * @throws OptionError if seed or step is not a whole number.
 * @example
 * seededNormal(2, { seed: 1, stddev: 0.1 }); // [-0.099, 0.0754]
 */
export function seededNormal(
  count: number,
  { seed, step = 0, stddev = 1 }: { seed: number; step?: number; stddev?: number },
): Float32Array {
  const key = streamKey(seed, step);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = stddev * Math.sqrt(-2 * Math.log((streamValue(key, i) + 1) / 0x100000000));
    const angle = (2 * Math.PI * streamValue(key, i + 1)) / 0x100000000;
    values[i] = radius * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}
