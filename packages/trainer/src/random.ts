import { createHash } from 'node:crypto';

/** A stream of random numbers that depends on its keys alone. */
export type RandomStream = {
  /** Uniform in [0, 1), 32 random bits. */
  uniform(): number;
  /** Standard normal. */
  normal(): number;
  /** Whole number in 0…below−1, every one equally likely. */
  integer(below: number): number;
  /** The numbers 0…length−1 in random order. */
  permutation(length: number): Uint32Array;
};

/**
 * Random numbers as a function of what they are for: `seededRandom(seed, 'order', epoch)`.
 *
 * There is no state to save. Whoever needs randomness at a step names the seed, the purpose and the step, and gets the same
 * stream on every machine, in any order of calls, before and after a resume. The keys are hashed (SHA-256) into the
 * 128 bits that start an SFC32 generator.
 *
 * @param keys words and finite numbers; `('a', 1)` and `('a1')` and `('a', '1')` are different streams.
 * @throws {Error} without keys, or for a key that is neither a word nor a finite number.
 * @example
 * const order = seededRandom(7, 'order', 0).permutation(5);
 * order.length // 5
 * seededRandom(7, 'noise').uniform() === seededRandom(7, 'noise').uniform() // true
 * seededRandom(7, 'noise', 0).uniform() === seededRandom(7, 'noise', 1).uniform() // false
 * @see SFC32: Doty-Humphrey, PractRand
 */
export function seededRandom(...keys: (string | number)[]): RandomStream {
  if (keys.length === 0) throw new Error('seededRandom: give at least a seed');
  for (const key of keys) {
    if (typeof key !== 'string' && !Number.isFinite(key)) {
      throw new Error(`seededRandom: keys are words and finite numbers, got ${String(key)}`);
    }
  }
  const state = new Uint32Array(4);
  const hash = createHash('sha256').update(JSON.stringify(keys)).digest();
  for (let i = 0; i < 4; i++) state[i] = hash.readUInt32LE(4 * i);
  const next = () => {
    const [a, b, c, counter] = state as unknown as [number, number, number, number];
    const result = (a + b + counter) >>> 0;
    state[0] = b ^ (b >>> 9);
    state[1] = c + (c << 3);
    state[2] = ((c << 21) | (c >>> 11)) + result;
    state[3] = counter + 1;
    return result;
  };
  const uniform = () => next() / 2 ** 32;
  const integer = (below: number) => {
    if (!Number.isInteger(below) || below < 1 || below > 2 ** 32) {
      throw new Error(`integer: below must be a whole number in 1…2^32, got ${below}`);
    }
    // Values past the last whole multiple of `below` would make small numbers likelier.
    const limit = 2 ** 32 - (2 ** 32 % below);
    let value = next();
    while (value >= limit) value = next();
    return value % below;
  };
  return {
    uniform,
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    integer,
    permutation: (length) => {
      const order = Uint32Array.from({ length }, (_, i) => i);
      for (let i = length - 1; i > 0; i--) {
        const j = integer(i + 1);
        [order[i], order[j]] = [order[j]!, order[i]!];
      }
      return order;
    },
  };
}

/**
 * The seed of what is random in one training step (dropout, keyword noise): another for every step and every run, and 16
 * in a row for a step's parts.
 *
 * @param seed of the run. @param step from 0.
 * @returns a whole number in 0…2³² − 1.
 * @example
 * stepSeed(0, 1) - stepSeed(0, 0); // 16
 */
export const stepSeed = (seed: number, step: number) => (Math.imul(seed + 1, 0x85ebca6b) + step * 16) >>> 0;
