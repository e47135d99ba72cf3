import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { meanIoU } from './mean-iou';
import { thresholdFromValidation } from './threshold';

const nan = Number.NaN;

describe('meanIoU', () => {
  it('scales to [−1, 1] and compares strictly', () => {
    // Scaled: −1, 1, 0.4, 0: at 0.1…0.3 two pixels, at 0.4 (strict) and 0.5 one.
    const result = meanIoU([0, 10, 7, 5], [0, 1, 0, 0]);
    expect(result.perThreshold.map(({ value }) => value)).toEqual([0.5, 0.5, 0.5, 1, 1]);
    expect(result).toMatchObject({ value: 0.7, n: 4, unknown: 0, constant: false });
  });
  it('drops unknown pixels from map and mask', () => {
    expect(meanIoU([nan, 0, 10, 7, 5], [1, 0, 1, 0, 0])).toMatchObject({ value: 0.7, n: 4, unknown: 1 });
    expect(meanIoU([nan, nan], [1, 0]).value).toBeNull();
  });
  it('lets a constant map predict nothing', () => {
    expect(meanIoU([3, 3], [0, 1])).toMatchObject({ value: 0, constant: true });
    expect(meanIoU([3, 3], [0, 1], { thresholds: [-0.5] }).perThreshold[0]!.emptyPrediction).toBe(true);
  });
  it('is invariant to a·map + b with a > 0', () => {
    const map = fc.array(fc.integer({ min: -99, max: 99 }), { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(map, fc.integer({ min: -9, max: 9 }), (values, shift) => {
        const mask = [1, 1, 0, 0, 0, 1];
        expect(
          meanIoU(
            values.map((v) => 4 * v + shift),
            mask,
          ).value,
        ).toBe(meanIoU(values, mask).value);
      }),
    );
  });
});

describe('thresholdFromValidation', () => {
  const images = [
    { map: [0, 10, 7, 5], mask: [0, 1, 1, 0] },
    { map: [0, 10, 7, 5, nan], mask: [0, 1, 0, 0, 1] },
  ];
  it('takes the best mean over images, the lower candidate on a tie', () => {
    const chosen = thresholdFromValidation(images, { candidates: [0.6, 0.39, 0.2, -1] });
    // At 0.2 and 0.39: Dice 1 and 2/3; at 0.6: 2/3 and 1. All tie, the lowest wins.
    expect(chosen).toMatchObject({ threshold: 0.2, n: 2, oracle: false });
    expect(chosen.value).toBeCloseTo(5 / 6, 12);
  });
  it('can work in the unit of the map, and names an oracle', () => {
    const chosen = thresholdFromValidation(images.slice(0, 1), { candidates: [5, 7], scaling: 'none', oracle: true });
    expect(chosen).toMatchObject({ threshold: 5, value: 1, oracle: true });
    expect(chosen.variant).toMatch(/oracle: chosen on the test images/);
  });
  it('offers IoU and pixel accuracy', () => {
    for (const metric of ['intersectionOverUnion', 'pixelAccuracy'] as const) {
      expect(thresholdFromValidation(images.slice(0, 1), { metric }).value).toBe(1);
    }
    // @ts-expect-error an unknown metric
    expect(() => thresholdFromValidation(images, { metric: 'acc' })).toThrow(/metric: expected one of 'dice'/);
  });
});
