/** A seeded stream of numbers. The same keys give the same numbers on every machine. */
export interface Random {
  /** In [0, 1). */
  uniform(): number;
  /** In [low, high). */
  between(low: number, high: number): number;
  /** N(0, 1). */
  normal(): number;
  /** A whole number in [low, high]. */
  integer(low: number, high: number): number;
  /** True with this probability. */
  chance(probability: number): boolean;
  /** One of them, all equally likely. */
  pick<T>(items: readonly T[]): T;
  /** A shuffled copy (Fisher–Yates). */
  shuffle<T>(items: readonly T[]): T[];
}

function mix(hash: number, value: number): number {
  let h = Math.imul(hash ^ value, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  return h ^ (h >>> 13);
}

/** 128 bits of state from the keys; a text counts character by character. */
function state(keys: readonly (number | string)[]): Uint32Array {
  const words = new Uint32Array([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344]);
  const add = (value: number) => {
    for (let i = 0; i < 4; i++) words[i] = mix(words[i]! + i, value) >>> 0;
  };
  for (const key of keys) {
    if (typeof key === 'string') for (let i = 0; i < key.length; i++) add(key.charCodeAt(i) + 1);
    else {
      add(key >>> 0);
      add(Math.floor(key / 4294967296) >>> 0);
    }
    add(0x1b873593);
  }
  return words;
}

/**
 * A stream of random numbers that belongs to its keys (sfc32). Streams with different keys are independent, so what is
 * drawn for one image never depends on how many images were made before it.
 *
 * @param keys whole numbers and texts, such as `(seed, 'image', 3)`.
 * @example
 * const a = randomStream(1, 'image', 0);
 * const b = randomStream(1, 'image', 0);
 * a.uniform() - b.uniform(); // 0
 */
export function randomStream(...keys: (number | string)[]): Random {
  // A typed array, since numbers past 31 bits in variables of a closure are allocated anew on every change.
  const s = new Int32Array(state(keys));
  const next = () => {
    const b = s[1]!;
    const c = s[2]!;
    const t = (s[0]! + b + s[3]!) | 0;
    s[3] = s[3]! + 1;
    s[0] = b ^ (b >>> 9);
    s[1] = (c + (c << 3)) | 0;
    s[2] = ((c << 21) | (c >>> 11)) + t;
    return (t >>> 0) / 4294967296;
  };
  for (let i = 0; i < 12; i++) next();
  let spare: number | undefined;
  const stream: Random = {
    uniform: next,
    between: (low, high) => low + (high - low) * next(),
    integer: (low, high) => low + Math.floor((high - low + 1) * next()),
    chance: (probability) => next() < probability,
    pick: (items) => items[Math.floor(items.length * next())]!,
    normal: () => {
      if (spare !== undefined) {
        const value = spare;
        spare = undefined;
        return value;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - next()));
      const angle = 2 * Math.PI * next();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
    shuffle: (items) => {
      const copy = [...items];
      for (let i = copy.length - 1; i > 0; i--) {
        const j = stream.integer(0, i);
        [copy[i], copy[j]] = [copy[j]!, copy[i]!];
      }
      return copy;
    },
  };
  return stream;
}
