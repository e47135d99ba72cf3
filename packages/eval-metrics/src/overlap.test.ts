import fc from 'fast-check';
import { expect, it } from 'vitest';
import { dice, intersectionOverUnion, pixelAccuracy } from './overlap';

it('gives literal values', () => {
  expect(intersectionOverUnion([1, 1, 0, 0], [0, 1, 1, 0])).toEqual({
    value: 1 / 3,
    variant: 'IoU, both empty = 1',
    n: 4,
    intersection: 1,
    predicted: 2,
    target: 2,
    emptyPrediction: false,
  });
  expect(dice([1, 1, 0, 0], [0, 1, 1, 0]).value).toBe(0.5);
  expect(pixelAccuracy([1, 1, 0, 0], [0, 1, 1, 0])).toMatchObject({ value: 0.5, emptyPredictionValue: 0.5 });
});

it('follows the rules for empty masks', () => {
  for (const metric of [intersectionOverUnion, dice]) {
    expect(metric([0, 0], [0, 0])).toMatchObject({ value: 1, emptyPrediction: false });
    expect(metric([0, 0], [0, 1])).toMatchObject({ value: 0, emptyPrediction: true });
    expect(metric([1, 0], [0, 0])).toMatchObject({ value: 0, emptyPrediction: false });
  }
});

it('is symmetric, 1 on itself, and Dice = 2 IoU / (1 + IoU)', () => {
  const pair = fc.array(fc.tuple(fc.boolean(), fc.boolean()), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(pair, (pixels) => {
      const [a, b] = [pixels.map(([x]) => x), pixels.map(([, y]) => y)];
      const iou = intersectionOverUnion(a, b).value;
      expect(intersectionOverUnion(b, a).value).toBe(iou);
      expect(intersectionOverUnion(a, a).value).toBe(1);
      expect(dice(a, b).value).toBeCloseTo((2 * iou) / (1 + iou), 12);
      expect(pixelAccuracy(a, b).value).toBeCloseTo(pixels.filter(([x, y]) => x === y).length / pixels.length, 12);
    }),
  );
});

it('refuses probabilities and other sizes', () => {
  expect(() => dice([0.4], [1])).toThrow(/prediction: expected a mask of 0 and 1, got 0.4.*threshold/);
  expect(() => dice([1], [1, 0])).toThrow(/target: expected 1 values/);
});
