import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { colorAt, DIVERGING, SEQUENTIAL } from './colors';
import { imageToPng, mapToPng } from './png';

const pixels = async (png: Buffer) => [...(await sharp(png).raw().toBuffer())];

describe('imageToPng', () => {
  it('keeps bytes, and scales other numbers from their range', async () => {
    const size = { width: 2, height: 2 };
    const first = async (image: Parameters<typeof imageToPng>[0]) => {
      const png = sharp(await imageToPng(image)).toColourspace('b-w');
      return [...(await png.raw().toBuffer())].slice(0, 4);
    };
    expect(await first({ data: Uint8Array.of(0, 10, 20, 30), ...size })).toEqual([0, 10, 20, 30]);
    expect(await first({ data: [-1, 0, 1, 1], ...size })).toEqual([0, 128, 255, 255]);
    expect(await first({ data: [-1, 0, 1, 3], ...size, range: [0, 2] })).toEqual([0, 0, 128, 255]);
    expect(await first({ data: [7, 7, 7, 7], ...size })).toEqual([0, 0, 0, 0]);
  });
});

describe('mapToPng', () => {
  it('scales from minimum to maximum, opacity with it', async () => {
    const { png, low, high } = await mapToPng({ data: [-2, 4], width: 2, height: 1 });
    expect([low, high]).toEqual([-2, 4]);
    expect(await pixels(png)).toEqual([0, 0, 4, 13, 252, 255, 164, 191]);
  });
  it('centres a diverging map on 0', async () => {
    const { png, low, high } = await mapToPng({ data: [-1, 0, 2], width: 3, height: 1 }, { colors: 'diverging' });
    expect([low, high]).toEqual([-2, 2]);
    const [, , , , ...rest] = await pixels(png);
    expect(rest).toEqual([221, 221, 221, 13, 180, 4, 38, 191]);
  });
  it('greys what is unknown, and survives a map of one value or none', async () => {
    expect((await mapToPng({ data: [Number.NaN, 1], width: 2, height: 1 })).unknown).toBe(1);
    expect(await mapToPng({ data: [5, 5], width: 2, height: 1 })).toMatchObject({ low: 5, high: 5, unknown: 0 });
    expect(await mapToPng({ data: [Number.NaN], width: 1, height: 1 })).toMatchObject({ unknown: 1 });
  });
  it('refuses a range that is none', async () => {
    await expect(mapToPng({ data: [1], width: 1, height: 1 }, { range: [1, 1] })).rejects.toThrow(/low < high/);
  });
});

describe('colour maps', () => {
  const lightness = ([r, g, b]: readonly [number, number, number]) => {
    const linear = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    const y = 0.2126 * linear[0]! + 0.7152 * linear[1]! + 0.0722 * linear[2]!;
    return y > 0.008856 ? 116 * Math.cbrt(y) - 16 : 903.3 * y;
  };
  it('grows lighter in even steps (sequential)', () => {
    const steps = Array.from(
      { length: 9 },
      (_, i) => lightness(colorAt(SEQUENTIAL, (i + 1) / 9)) - lightness(colorAt(SEQUENTIAL, i / 9)),
    );
    for (const step of steps) expect(Math.abs(step - 10.9)).toBeLessThan(3.5);
  });
  it('is lightest in the middle (diverging)', () => {
    const values = [0, 0.25, 0.5, 0.75, 1].map((t) => lightness(colorAt(DIVERGING, t)));
    expect(values[2]).toBe(Math.max(...values));
    expect(Math.abs(values[0]! - values[4]!)).toBeLessThan(5);
  });
});
