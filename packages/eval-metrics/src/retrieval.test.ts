import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { precisionAtK, recallAtK } from './retrieval';

const matrix = fc.integer({ min: 2, max: 6 }).chain((n) =>
  fc.record({
    scores: fc.array(fc.array(fc.integer({ min: -3, max: 3 }), { minLength: n, maxLength: n }), {
      minLength: n,
      maxLength: n,
    }),
    ids: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: n, maxLength: n }),
  }),
);

describe('recallAtK', () => {
  const scores = [
    [0.9, 0.1, 0.2],
    [0.8, 0.3, 0.1],
    [0.1, 0.2, 0.7],
  ];
  it('counts queries whose own text is among the best, both ways', () => {
    const result = recallAtK(scores, { k: 1 });
    expect(result.imageToText).toMatchObject({ value: 2 / 3, n: 3, excluded: 0, gallery: 3, chance: 1 / 3 });
    expect(result.textToImage.value).toBe(1);
    expect(recallAtK(scores, { k: 2 }).imageToText.value).toBe(1);
  });
  it('takes equal ids as positives, leaves out and counts queries without one', () => {
    const imageIds = ['a', 'a', 'c'];
    const textIds = ['a', 'a', 'b'];
    const result = recallAtK(scores, { k: 1, imageIds, textIds });
    expect(result.imageToText).toMatchObject({ value: 1, n: 2, excluded: 1 });
    expect(result.imageToText.chance).toBeCloseTo(2 / 3, 12);
    expect(result.textToImage).toMatchObject({ n: 2, excluded: 1 });
  });
  it('has chance 1 − C(m−p, k)/C(m, k)', () => {
    const flat = Array.from({ length: 5 }, () => [0, 0, 0, 0, 0]);
    const ids = ['a', 'a', 'b', 'c', 'd'];
    // p = 2 for two queries, 1 for three; k = 2, m = 5: 1 − 3/10 and 1 − 6/10.
    expect(recallAtK(flat, { k: 2, imageIds: ids, textIds: ids }).imageToText.chance).toBeCloseTo(
      (2 * 0.7 + 3 * 0.4) / 5,
      12,
    );
  });
  it('gives ties to the lower index', () => {
    const flat = [
      [1, 1],
      [1, 1],
    ];
    expect(recallAtK(flat, { k: 1 }).imageToText.value).toBe(0.5);
  });
  it('sees only the order of the scores', () => {
    fc.assert(
      fc.property(matrix, ({ scores, ids }) => {
        const options = { k: 2, imageIds: ids, textIds: ids };
        const result = recallAtK(scores, options);
        for (const map of [(v: number) => Math.exp(v) - 100, (v: number) => v ** 3 - 1e6, (v: number) => v / 1e9 - 1]) {
          expect(
            recallAtK(
              scores.map((row) => row.map(map)),
              options,
            ),
          ).toEqual(result);
        }
      }),
    );
  });
  it('refuses a gallery that is too small, NaN, and ragged rows', () => {
    expect(() => recallAtK(scores, { k: 4 })).toThrow(/k: expected at most 3/);
    expect(() => recallAtK([[Number.NaN]], { k: 1 })).toThrow(/NaN/);
    expect(() => recallAtK([[1, 2], [1]], { k: 1 })).toThrow(/scores: expected 2 values in row 1, got 1/);
  });
});

describe('precisionAtK', () => {
  const balanced = Array.from({ length: 50 }, (_, i) => i % 5);
  it('counts the share of the query class among the best', () => {
    const result = precisionAtK(
      [
        [5, 4, 3, 2],
        [1, 2, 3, 4],
      ],
      { k: 2, queryClasses: ['x', 'y'], galleryClasses: ['x', 'y', 'x', 'x'] },
    );
    expect(result).toMatchObject({ value: 0.25, n: 2, gallery: 4, chance: 0.5 });
  });
  it('is 20 % at random on a balanced five-class gallery', () => {
    const scores = [balanced.map((_, i) => (i * 7919) % 50)];
    const result = precisionAtK(scores, { k: 50, queryClasses: [3], galleryClasses: balanced });
    expect(result).toMatchObject({ value: 0.2, chance: 0.2 });
  });
  it('scores 0 for a class that the gallery lacks', () => {
    expect(precisionAtK([[1, 2]], { k: 1, queryClasses: ['z'], galleryClasses: ['x', 'y'] })).toMatchObject({
      value: 0,
      chance: 0,
    });
  });
  it('refuses a k beyond the gallery', () => {
    expect(() => precisionAtK([[1]], { k: 2, queryClasses: ['x'], galleryClasses: ['x'] })).toThrow(/number of items/);
  });
});
