import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyThreshold, ThresholdSweep, thresholdFromValidation } from './threshold';

type Image = { map: number[]; mask: number[] };
const candidates = [-1, -0.5, 0, 0.25, 0.5, 0.9];

/** Known pixels of one image, scaled to [−1, 1] or not, in plain loops. */
function known({ map, mask }: Image, scale: boolean): [number, number][] {
  const pixels = map.flatMap((value, i): [number, number][] => (Number.isNaN(value) ? [] : [[value, mask[i]!]]));
  const values = pixels.map(([value]) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (!scale) return pixels;
  return pixels.map(([value, inside]) => [high > low ? (2 * (value - low)) / (high - low) - 1 : -1, inside]);
}

function score(metric: string, pixels: [number, number][], threshold: number): number {
  let [both, either, predicted, target, right] = [0, 0, 0, 0, 0];
  for (const [value, inside] of pixels) {
    const above = value > threshold ? 1 : 0;
    if (above && inside) both++;
    if (above || inside) either++;
    predicted += above;
    target += inside;
    if (above === inside) right++;
  }
  if (metric === 'pixelAccuracy') return right / pixels.length;
  if (metric === 'dice') return predicted + target ? (2 * both) / (predicted + target) : 1;
  return either ? both / either : 1;
}

const image = fc
  .array(fc.tuple(fc.constantFrom(0, 0.1, 1, 2, 3.5, -4, Number.NaN), fc.constantFrom(0, 1)), { minLength: 1 })
  .filter((pixels) => pixels.some(([value]) => !Number.isNaN(value)))
  .map((pixels): Image => ({ map: pixels.map(([value]) => value), mask: pixels.map(([, inside]) => inside) }));

describe('ThresholdSweep', () => {
  it.each(['dice', 'intersectionOverUnion', 'pixelAccuracy'] as const)('finds the best mean %s', (metric) => {
    fc.assert(
      fc.property(fc.array(image, { minLength: 1, maxLength: 4 }), fc.boolean(), (images, scale) => {
        const scaling = scale ? ('minMax' as const) : ('none' as const);
        const means = candidates.map(
          (t) => images.reduce((sum, one) => sum + score(metric, known(one, scale), t), 0) / images.length,
        );
        const chosen = thresholdFromValidation(images, { metric, candidates: [...candidates].reverse(), scaling });
        expect(chosen.value).toBeCloseTo(Math.max(...means), 12);
        expect(means[candidates.indexOf(chosen.threshold)]).toBeCloseTo(Math.max(...means), 12);
      }),
    );
  });

  it('says how many images it has seen, and on what', () => {
    const sweep = new ThresholdSweep();
    expect(() => sweep.choose()).toThrow(/no image was added/);
    sweep.add([0, 10, 7, 5], [0, 1, 1, 0]);
    expect(sweep.n).toBe(1);
    expect(sweep.choose({ oracle: true })).toMatchObject({
      value: 1,
      oracle: true,
      variant: expect.stringMatching(/^oracle/),
    });
    expect(() => sweep.add([Number.NaN], [1])).toThrow(/known pixels/);
    expect(sweep.n).toBe(1);
  });
});

describe('applyThreshold', () => {
  it('predicts strictly above the threshold and leaves unknown pixels out', () => {
    const predicted = applyThreshold([1, 2, 3, Number.NaN], [0, 1, 1, 1], { threshold: 2, scaling: 'none' });
    expect({ ...predicted }).toEqual({
      prediction: Uint8Array.of(0, 0, 1),
      target: Uint8Array.of(0, 1, 1),
      unknown: 1,
    });
  });

  it('scores what the sweep says', () => {
    fc.assert(
      fc.property(image, fc.constantFrom(...candidates), (one, threshold) => {
        const { prediction, target } = applyThreshold(one.map, one.mask, { threshold });
        const expected = known(one, true).map(([value]) => (value > threshold ? 1 : 0));
        expect([...prediction]).toEqual(expected);
        expect(target).toHaveLength(expected.length);
      }),
    );
  });

  it('refuses what is no threshold', () => {
    expect(() => applyThreshold([1], [1], { threshold: Number.NaN })).toThrow(/threshold: expected a finite number/);
  });
});
