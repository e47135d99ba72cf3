import { expect, it } from 'vitest';
import { type GroundingRecord, summarizeGrounding } from './grounding';

const records: GroundingRecord[] = [
  { imageId: '1', category: 'edema', cnr: 1, signedCnr: 1, pointing: 1 },
  { imageId: '1', category: 'edema', cnr: 3, signedCnr: -3, pointing: 0, unknown: 12 },
  { imageId: '2', category: 'edema', cnr: null, signedCnr: null, saturated: true, pointing: true },
  { imageId: '2', category: 'nodule', cnr: 5, signedCnr: 5, pointing: null },
];

it('averages inside categories, then over them, and counts what it leaves out', () => {
  const summary = summarizeGrounding(records);
  expect(summary).toMatchObject({ n: 4, images: 2, withUnknown: 1 });
  expect(summary.saturated).toEqual({ total: 1, categories: { edema: 1, nodule: 0 } });
  expect(Object.keys(summary.metrics)).toEqual(['cnr', 'signedCnr', 'pointing']);
  const { cnr, signedCnr, pointing } = summary.metrics;
  expect(cnr).toMatchObject({ value: 3.5, pooled: 3, n: 3, excluded: 1 });
  expect(cnr!.categories.edema).toEqual({ mean: 2, std: 1, n: 2, excluded: 1 });
  expect(signedCnr!.value).toBe(2);
  expect(pointing!.categories.edema!.std).toBeCloseTo(Math.sqrt(2) / 3, 12);
  expect(pointing!.categories.nodule).toEqual({ mean: null, std: null, n: 0, excluded: 1 });
  expect(pointing!.value).toBe(2 / 3);
});

it('draws images, not phrases', () => {
  // Resamples of two images: only 1 (mean 2), both (3.5), only 2 (5): quantiles at the ends.
  const { low, high } = summarizeGrounding(records).metrics.cnr!;
  expect([low, high]).toEqual([2, 5]);
});

it('refuses NaN', () => {
  expect(() => summarizeGrounding([{ imageId: '1', category: 'x', cnr: Number.NaN }])).toThrow(
    /records\[0\].cnr.*got NaN/,
  );
  expect(() => summarizeGrounding([])).toThrow(/records/);
});
