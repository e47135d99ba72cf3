/**
 * Seeded uniform numbers in [0, 1): the 32-bit generator "mulberry32", so a seed gives the same resamples on every machine.
 * Fit for resampling, not for cryptography.
 */
export function seededRandom(seed: number): () => number {
  // A mixing step first: neighbouring seeds would otherwise start on neighbouring states.
  let state = Math.imul((seed >>> 0) ^ 0x9e3779b9, 0x85ebca6b) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** `count` different whole numbers below `n`, in random order (partial Fisher–Yates). */
export function sampleWithoutReplacement(n: number, count: number, random: () => number): number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(random() * (n - i));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order.slice(0, count);
}
