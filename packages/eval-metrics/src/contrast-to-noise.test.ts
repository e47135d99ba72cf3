import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contrastToNoise } from './contrast-to-noise';

function plainCnr(map: number[], mask: number[]): number {
  const side = (wanted: number) => map.filter((v, i) => mask[i] === wanted && !Number.isNaN(v));
  const average = (v: number[]) => v.reduce((a, b) => a + b, 0) / v.length;
  const variance = (v: number[]) => average(v.map((x) => x * x)) - average(v) ** 2;
  const [a, b] = [side(1), side(0)];
  return (average(a) - average(b)) / Math.sqrt(variance(a) + variance(b));
}

const scene = fc
  .array(fc.tuple(fc.integer({ min: -500, max: 500 }), fc.integer({ min: 0, max: 1 })), { minLength: 6, maxLength: 40 })
  .map((pixels) => ({ map: pixels.map(([v]) => v / 10), mask: pixels.map(([, m]) => m) }))
  .filter(({ map, mask }) => contrastToNoise(map, mask).status === 'defined');

describe('contrastToNoise', () => {
  it('gives literal values with population variance', () => {
    expect(contrastToNoise([4, 6, 1, 1], [1, 1, 0, 0])).toEqual({
      value: 4,
      signed: 4,
      status: 'defined',
      variant: 'absolute and signed, population variance, unknown pixels dropped',
      n: 4,
      inside: 2,
      outside: 2,
      unknown: 0,
    });
    const below = contrastToNoise([1, 1, 4, 6], [true, true, false, false]);
    expect([below.value, below.signed]).toEqual([4, -4]);
  });

  it('follows the edge rules of two constant sides', () => {
    expect(contrastToNoise([0.1, 0.1, 0.1, 0.1, 0.1], [1, 1, 1, 0, 0])).toMatchObject({ value: 0, status: 'defined' });
    expect(contrastToNoise([0.1, 0.1, 0.1, 0.7, 0.7], [1, 1, 1, 0, 0])).toMatchObject({
      value: null,
      signed: null,
      status: 'saturated',
    });
  });

  it('drops and counts unknown pixels, and says when a side has none left', () => {
    const nan = Number.NaN;
    expect(contrastToNoise([4, nan, 6, 1, 1, nan], [1, 1, 1, 0, 0, 0])).toMatchObject({ value: 4, n: 4, unknown: 2 });
    expect(contrastToNoise([nan, 1, 2], [1, 0, 0])).toMatchObject({
      value: null,
      status: 'empty',
      inside: 0,
      unknown: 1,
    });
    expect(contrastToNoise([1, 1, 2], [0, 0, 0]).status).toBe('empty');
  });

  it('agrees with a plain twin', () => {
    fc.assert(
      fc.property(scene, ({ map, mask }) => {
        const expected = plainCnr(map, mask);
        expect(contrastToNoise(map, mask).signed!).toBeCloseTo(expected, Math.abs(expected) > 100 ? 2 : 6);
      }),
    );
  });

  it('is invariant to a·map + b, the sign following the sign of a', () => {
    fc.assert(
      fc.property(
        scene,
        fc.constantFrom(-3, -1, 0.5, 2, 1e-180, 1e100),
        fc.constantFrom(0, 1, -7),
        ({ map, mask }, a, b) => {
          const { value, signed } = contrastToNoise(map, mask);
          // A shift next to a vanishing or huge scale would round the map away, which is not the metric's doing.
          const shift = Math.abs(a) > 0.1 && Math.abs(a) < 10 ? b : 0;
          const moved = contrastToNoise(
            map.map((v) => a * v + shift),
            mask,
          );
          expect(moved.value! / (value || 1)).toBeCloseTo(value ? 1 : 0, 6);
          expect(Math.sign(moved.signed!) * Math.sign(a)).toBe(
            Math.sign(signed!) || Math.sign(moved.signed!) * Math.sign(a),
          );
        },
      ),
    );
  });

  it('refuses other sizes, probabilities as masks, and infinities', () => {
    expect(() => contrastToNoise([1, 2], [1])).toThrow(/mask: expected 2 values, one per pixel of map, got 1/);
    expect(() => contrastToNoise([1, 2], [1, 0.5])).toThrow(/mask: expected a mask of 0 and 1, got 0.5 at index 1/);
    expect(() => contrastToNoise([1, Number.POSITIVE_INFINITY], [1, 0])).toThrow(
      /map: expected finite values.*got Infinity/,
    );
  });
});
