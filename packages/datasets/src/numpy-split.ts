import { mersenne } from 'pure-rand/generator/mersenne';
import { DataError } from './types';

/**
 * `numpy.random.RandomState(seed).permutation(n)`: MT19937, Fisher–Yates from the end, each place by rejection under a
 * bit mask. Only for repeating splits that were published with that generator.
 */
export function numpyPermutation(n: number, seed: number): Uint32Array {
  const generator = mersenne(seed | 0);
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const mask = 2 ** (32 - Math.clz32(i)) - 1;
    let j: number;
    do j = (generator.next() & mask) >>> 0;
    while (j > i);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** scikit-learn's `train_test_split(rows, test_size, random_state=seed)`, both parts in its order. */
export function sklearnSplit<T>(rows: readonly T[], testSize: number, seed: number): { train: T[]; test: T[] } {
  const held = Math.ceil(testSize * rows.length);
  if (!(held > 0 && held < rows.length)) {
    throw new DataError(
      `sklearnSplit: ${rows.length} rows cannot be split with testSize ${testSize}: a part would be empty`,
    );
  }
  const order = Array.from(numpyPermutation(rows.length, seed), (i) => rows[i]!);
  return { train: order.slice(held), test: order.slice(0, held) };
}
