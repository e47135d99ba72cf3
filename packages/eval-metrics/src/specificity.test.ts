import { expect, it } from 'vitest';
import { specificity, summarizeSpecificity } from './specificity';

const nan = Number.NaN;
const a = { imageId: '1', category: 'nodule', map: [5, 1, 3], mask: [1, 0, 0] };
const b = { imageId: '1', category: 'nodule', map: [9, 1, 3], mask: [0, 1, 0] };
const c = { imageId: '1', category: 'effusion', map: [2, 2, 2], mask: [0, 0, 1] };

it('counts ordered pairs of one image, same and different categories apart', () => {
  const result = specificity([a, b, c, { ...a, imageId: '2' }]);
  // a>b, a>c, b<a, b<c, c=a, c=b
  expect(result).toMatchObject({ value: 0.5, n: 6, ties: 2, excluded: 0, images: 1, chance: 0.5 });
  expect(result.sameCategory).toEqual({ value: 0.5, n: 2 });
  expect(result.differentCategory).toEqual({ value: 0.5, n: 4 });
  expect(result.pairs.map((pair) => pair.outcome)).toEqual([1, 1, 0, 0, 0.5, 0.5]);
});

it('gives chance to a map that ignores the phrase', () => {
  const map = [0.3, 0.9, 0.1];
  expect(specificity([a, b, c].map((phrase) => ({ ...phrase, map }))).value).toBe(0.5);
  const constant = new Array(1000).fill(0.1);
  const half = constant.map((_, i) => (i < 333 ? 1 : 0));
  const rest = half.map((v) => 1 - v);
  expect(
    specificity([
      { ...a, map: constant, mask: half },
      { ...a, map: constant, mask: rest },
    ]),
  ).toMatchObject({ value: 0.5, ties: 2 });
});

it('leaves out identical and unknown regions, and counts them', () => {
  expect(specificity([a, { ...b, mask: [1, 0, 0] }])).toMatchObject({ value: null, n: 0, excluded: 2 });
  expect(specificity([{ ...a, map: [5, nan, 3] }, b])).toMatchObject({ value: 0, n: 1, excluded: 1 });
});

it('merges images to the result of one call', () => {
  const second = [a, c].map((phrase) => ({ ...phrase, imageId: '2' }));
  const merged = summarizeSpecificity([...specificity([a, b]).pairs, ...specificity(second).pairs]);
  expect(merged).toEqual(specificity([a, b, ...second]));
});

it('refuses maps of different sizes in one image', () => {
  expect(() => specificity([a, { ...b, map: [1], mask: [1] }])).toThrow(/phrases\[1\].map: expected 3 pixels/);
});
