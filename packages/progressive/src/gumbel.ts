/** A 32-bit hash of a counter (the finaliser of MurmurHash3). */
function hash(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Standard Gumbel noise, −log(−log u), the same on every engine and every run for the same seed.
 *
 * Counter-based: the value at one place depends on the seed and the place alone.
 */
export function gumbel(count: number, seed: number): Float32Array {
  const key = hash(seed);
  // u is never 0 or 1, so both logarithms are finite
  return Float32Array.from(
    { length: count },
    (_, i) => -Math.log(-Math.log((hash(key ^ hash(i + 1)) + 0.5) / 2 ** 32)),
  );
}
