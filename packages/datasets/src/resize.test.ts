import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import goldens from '../goldens/resize.json';
import { assemble } from '../kernel/build';
import { areaKernel } from './area-kernel';
import { type Raster, resizeArea, resizeMap } from './index';

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

/** How much of input pixel k is in output pixel i: what they share where it shrinks, a tent where it grows. */
function share(k: number, from: number, i: number, to: number): number {
  const ratio = from / to;
  if (ratio > 1) return Math.max(0, Math.min(k + 1, (i + 1) * ratio) - Math.max(k, i * ratio)) / ratio;
  return Math.max(0, 1 - Math.abs(Math.min(from - 1, Math.max(0, (i + 0.5) * ratio - 0.5)) - k));
}

/** One value of the resized image, over all pixels of the input. */
function plain({ data, width, height, channels }: Raster, x: number, y: number, c: number, to: [number, number]) {
  let sum = 0;
  for (let j = 0; j < height; j++) {
    for (let i = 0; i < width; i++) {
      sum += share(i, width, x, to[0]) * share(j, height, y, to[1]) * data[(j * width + i) * channels + c]!;
    }
  }
  return sum;
}

describe('resizeArea', () => {
  it('is a plain loop over all pixels, for any size, kind and number of channels', () => {
    const side = fc.integer({ min: 1, max: 40 });
    const image = fc.record({
      width: side,
      height: side,
      channels: fc.integer({ min: 1, max: 4 }),
      bytes: fc.boolean(),
    });
    fc.assert(
      fc.property(image, side, side, fc.nat(), ({ width, height, channels, bytes }, toWidth, toHeight, seed) => {
        const length = width * height * channels;
        const level = (_: unknown, i: number) => Math.imul(i + seed, 0x9e3779b1) >>> 24;
        const data = bytes ? Uint8Array.from({ length }, level) : Float32Array.from({ length }, level);
        const source = { data, width, height, channels };
        const result = resizeArea(source, toWidth, toHeight);
        expect(result).toMatchObject({ width: toWidth, height: toHeight, channels });
        for (let at = 0; at < result.data.length; at += 1 + Math.floor(result.data.length / 50)) {
          const [c, x] = [at % channels, Math.floor(at / channels) % toWidth];
          const expected = plain(source, x, Math.floor(at / channels / toWidth), c, [toWidth, toHeight]);
          expect(Math.abs(result.data[at]! - expected)).toBeLessThan(255 * 5e-7);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('takes rows of any length, and many of them at once', () => {
    const [width, height, channels] = [2003, 120, 3];
    const data = Float32Array.from({ length: width * height * channels }, (_, i) => ((i * 7919) % 1009) / 1009);
    const source = { data, width, height, channels };
    const result = resizeArea(source, 7, 1).data;
    for (let at = 0; at < result.length; at++) {
      expect(result[at]).toBeCloseTo(plain(source, Math.floor(at / 3), 0, at % 3, [7, 1]), 5);
    }
  });

  it('names an image that is not as large as it says, and a size that is none', () => {
    const image = { data: new Uint8Array(11), width: 3, height: 2, channels: 2 };
    expect(() => resizeArea(image, 2, 2)).toThrow(/expected 2 × 3 × 2 values, at least one, got 11/);
    expect(() => resizeArea({ ...image, data: new Uint8Array(0), width: 0 }, 2, 2)).toThrow(/at least one, got 0/);
    expect(() => resizeArea({ ...image, data: new Uint8Array(12) }, 2, 0.5)).toThrow(
      /width and height >= 1, got 2 × 0.5/,
    );
  });

  it('runs the kernel that its source says', async () => {
    expect(areaKernel).toBe(await assemble());
  });

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
