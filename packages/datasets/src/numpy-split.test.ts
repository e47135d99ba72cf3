import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { numpyPermutation, sklearnSplit } from './numpy-split';

const golden = JSON.parse(readFileSync(new URL('../goldens/numpy-split.json', import.meta.url), 'utf8'));

describe('numpyPermutation', () => {
  it('is what numpy gives', () => {
    expect(golden.permutations.length).toBeGreaterThan(5);
    for (const { seed, n, values } of golden.permutations) {
      expect(Array.from(numpyPermutation(n, seed)), `seed ${seed}, ${n}`).toEqual(values);
    }
  });
});

describe('sklearnSplit', () => {
  it('repeats the published RSNA split row by row', () => {
    const rows = Array.from({ length: 26684 }, (_, i) => i);
    const { train, test: rest } = sklearnSplit(rows, 0.3, 0);
    const { train: test, test: validation } = sklearnSplit(rest, 0.5, 0);
    for (const [name, part] of Object.entries({ train, validation, test })) {
      const sha256 = createHash('sha256').update(part.join(',')).digest('hex');
      expect({ n: part.length, first: part.slice(0, 5), sha256 }, name).toEqual(golden.rsna[name]);
    }
  });

  it('refuses a part without rows', () => {
    expect(() => sklearnSplit([1], 0.5, 0)).toThrow(/a part would be empty/);
  });
});
