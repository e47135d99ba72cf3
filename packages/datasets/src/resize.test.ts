import { describe, expect, it } from 'vitest';
import goldens from '../goldens/resize.json';
import { resizeArea, resizeMap } from './index';

const worst = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));

describe('resizeMap', () => {
  it.each(goldens.bilinear)('equals PyTorch: $from → $to', ({ from, to, input, output }) => {
    const result = resizeMap(input, from[0]!, from[1]!, { height: to[0]!, width: to[1]! });
    expect(result.length).toBe(output.length);
    expect(worst(result, output)).toBeLessThan(2e-6);
  });

  it('leaves a map of the right size alone, and a constant one constant', () => {
    expect(Array.from(resizeMap([1, 2, 3, 4], 2, 2, { height: 2, width: 2 }))).toEqual([1, 2, 3, 4]);
    expect(new Set(resizeMap([5, 5, 5, 5], 2, 2, { height: 9, width: 7 }))).toEqual(new Set([5]));
  });

  it('refuses a map of another size', () => {
    expect(() => resizeMap([1, 2, 3], 2, 2, { height: 4, width: 4 })).toThrow(/expected 2 × 2 = 4 values, got 3/);
  });
});

describe('resizeArea', () => {
  it.each(goldens.area)('equals the exact integral: $from → $to', ({ from, to, input, output }) => {
    const image = { data: Float32Array.from(input), width: from[1]!, height: from[0]!, channels: 1 };
    expect(worst(resizeArea(image, to[1]!, to[0]!).data, output)).toBeLessThan(2e-6);
  });

  it('keeps the mean of a large image, channel by channel', () => {
    const data = Float32Array.from({ length: 41 * 37 * 3 }, (_, i) => ((i * 7919) % 101) / 101);
    const small = resizeArea({ data, width: 41, height: 37, channels: 3 }, 10, 9);
    for (let c = 0; c < 3; c++) {
      const mean = (x: ArrayLike<number>) =>
        Array.from(x)
          .filter((_, i) => i % 3 === c)
          .reduce((a, b) => a + b, 0) * 3;
      expect(mean(small.data) / small.data.length).toBeCloseTo(mean(data) / data.length, 5);
    }
  });

  it('grows like resizeMap', () => {
    const input = [1, 5, 2, 8, 3, 4];
    const grown = resizeArea({ data: Float32Array.from(input), width: 3, height: 2, channels: 1 }, 8, 5);
    expect(worst(grown.data, resizeMap(input, 2, 3, { height: 5, width: 8 }))).toBeLessThan(1e-6);
  });
});
