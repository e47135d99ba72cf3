import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import golden from '../goldens/auroc.json';
import { auroc, macroAuroc } from './auroc';

describe('auroc', () => {
  it('gives literal values', () => {
    expect(auroc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])).toEqual({
      value: 0.75,
      variant: 'mid-ranks, ties ½',
      n: 4,
      positives: 2,
      negatives: 2,
      unlabelled: 0,
    });
    expect(auroc([1, 1, 1], [0, 1, 0]).value).toBe(0.5);
    expect(auroc([Number.NEGATIVE_INFINITY, 0, Number.POSITIVE_INFINITY], [0, 0, 1]).value).toBe(1);
  });
  it('agrees with scikit-learn, with many ties and few', () => {
    for (const { scores, labels, expected } of golden) expect(auroc(scores, labels).value).toBeCloseTo(expected, 12);
  });
  it('agrees with counting pairs, and sees only the order', () => {
    const samples = fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.boolean()), { minLength: 2, maxLength: 25 });
    fc.assert(
      fc.property(samples, (rows) => {
        const [scores, labels] = [rows.map(([s]) => s), rows.map(([, l]) => l)];
        const positives = scores.filter((_, i) => labels[i]);
        const negatives = scores.filter((_, i) => !labels[i]);
        const wins = positives.flatMap((p) => negatives.map((m): number => (p > m ? 1 : p === m ? 0.5 : 0)));
        const expected = wins.length ? wins.reduce((a, b) => a + b, 0) / wins.length : null;
        const { value } = auroc(scores, labels);
        if (expected === null) expect(value).toBeNull();
        else {
          expect(value).toBeCloseTo(expected, 12);
          expect(
            auroc(
              scores.map((s) => Math.exp(s) - 1000),
              labels,
            ).value,
          ).toBe(value);
          expect(
            auroc(
              scores.map((s) => -s),
              labels,
            ).value,
          ).toBeCloseTo(1 - expected, 12);
        }
      }),
    );
  });
  it('is null with one label, drops what is not labelled', () => {
    expect(auroc([1, 2], [0, 0]).value).toBeNull();
    expect(auroc([], []).value).toBeNull();
    expect(auroc([1, 2, 9], [0, 1, Number.NaN])).toMatchObject({ value: 1, n: 2, unlabelled: 1 });
  });
  it('refuses NaN scores and labels that are none', () => {
    expect(() => auroc([Number.NaN], [1])).toThrow(/scores/);
    expect(() => auroc([1], [-1])).toThrow(/labels: expected 0, 1 or NaN.*got -1/);
    expect(() => auroc([1], [null] as unknown as number[])).toThrow(/got null/);
  });
});

describe('macroAuroc', () => {
  it('averages the classes that have both labels', () => {
    const scores = [
      [0.9, 0.1, 0.5],
      [0.8, 0.9, 0.5],
      [0.1, 0.2, 0.5],
    ];
    const labels = [
      [1, 0, 0],
      [0, 1, 0],
      [0, 1, 0],
    ];
    const result = macroAuroc(scores, labels);
    expect(result).toMatchObject({ value: 1, n: 3, excluded: ['2'] });
    expect(result.perClass['1']).toMatchObject({ value: 1, positives: 2 });
    expect(macroAuroc([[1]], [[1]]).value).toBeNull();
  });
});
