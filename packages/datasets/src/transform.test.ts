import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Box, randomStream, resizePadCrop } from './index';

const sizes = fc.record({ width: fc.integer({ min: 20, max: 300 }), height: fc.integer({ min: 20, max: 300 }) });

describe('resizePadCrop', () => {
  it('pads evenly, the odd pixel right or below, and crops the centre', () => {
    const view = resizePadCrop({ resize: 8, crop: 8 }).place({ width: 8, height: 5 });
    expect(view.offset).toEqual({ x: 0, y: 1 });
    const image = { data: new Float32Array(40).fill(1), width: 8, height: 5, channels: 1 };
    const rows = Array.from({ length: 8 }, (_, y) => view.apply(image).data[y * 8]);
    expect(rows).toEqual([0, 1, 1, 1, 1, 1, 0, 0]);
    expect(resizePadCrop({ resize: 8, crop: 5 }).place({ width: 8, height: 8 }).offset).toEqual({ x: -1, y: -1 });
  });

  it('moves pixels as it moves boxes, in random crops too', () => {
    const [width, height] = [40, 60];
    const box: Box = { x: 12, y: 20, width: 12, height: 16 };
    const data = new Uint8Array(width * height);
    for (let y = 20; y < 36; y++) data.fill(1, y * width + 12, y * width + 24);
    for (let seed = 0; seed < 5; seed++) {
      const view = resizePadCrop({ resize: 30, crop: 24 }).place({ width, height }, randomStream(seed));
      const shown = view.apply({ data, width, height, channels: 1 });
      const sum = shown.data.reduce((a, b) => a + b, 0);
      const target = view.toModel(box)!;
      expect(sum).toBeCloseTo(target.width * target.height, 4);
      const x = shown.data.reduce((a, v, i) => a + v * ((i % 24) + 0.5), 0) / sum;
      expect(x).toBeCloseTo(target.x + target.width / 2, 4);
      expect(view.maskToModel(data).reduce((a, b) => a + b, 0)).toBe(target.width * target.height);
    }
  });

  it('counts a pixel of a mask as inside from exactly half of it on', () => {
    const side = fc.integer({ min: 16, max: 40 });
    fc.assert(
      fc.property(side, side, fc.integer(), (width, height, seed) => {
        const crop = 16;
        const random = randomStream(seed);
        const mask = Uint8Array.from({ length: width * height }, () => Number(random.chance(0.5)));
        const view = resizePadCrop({ resize: crop, crop }).place({ width, height });
        const seen = view.maskToModel(mask);
        // In whole numbers: an input pixel is as wide as the model has columns, and a column as wide as the input has.
        const [columns, rows] = [Math.round(width * view.scale.x), Math.round(height * view.scale.y)];
        const shared = (k: number, to: number, i: number, from: number) =>
          Math.max(0, Math.min((k + 1) * to, (i + 1) * from) - Math.max(k * to, i * from));
        for (let y = 0; y < rows; y++) {
          for (let x = 0; x < columns; x++) {
            let inside = 0;
            mask.forEach((value, at) => {
              const area = shared(at % width, columns, x, width) * shared(Math.floor(at / width), rows, y, height);
              inside += value * area;
            });
            const expected = 2 * inside >= width * height ? 1 : 0;
            expect(seen[(y + view.offset.y) * crop + x + view.offset.x]).toBe(expected);
          }
        }
      }),
      { numRuns: 20 },
    );
  });

  it('maps boxes there and back', () => {
    fc.assert(
      fc.property(sizes, fc.integer(), (size, seed) => {
        const view = resizePadCrop({ resize: 64, crop: 64 }).place(size, randomStream(seed));
        const box = { x: size.width / 4, y: size.height / 3, width: size.width / 2, height: size.height / 5 };
        const back = view.boxToOriginal(view.toModel(box)!);
        for (const key of ['x', 'y', 'width', 'height'] as const) expect(back[key]).toBeCloseTo(box[key], 6);
      }),
      { numRuns: 50 },
    );
  });

  it('cuts a box to the crop, and says when nothing of it is seen', () => {
    const view = resizePadCrop({ resize: 100, crop: 50 }).place({ width: 100, height: 100 });
    expect(view.toModel({ x: 0, y: 0, width: 50, height: 50 })).toEqual({ x: 0, y: 0, width: 25, height: 25 });
    expect(view.toModel({ x: 0, y: 0, width: 20, height: 20 })).toBeUndefined();
  });

  it('brings a heat map back to the original: a ramp stays a ramp, the cut-off part is unknown', () => {
    const view = resizePadCrop({ resize: 40, crop: 20 }).place({ width: 40, height: 40 });
    const ramp = Float32Array.from({ length: 25 }, (_, i) => i % 5);
    const original = view.toOriginal(ramp, { height: 5, width: 5 });
    // Original column x sees crop pixel x − 10, that is map column (x − 9.5) / 4 − 0.5.
    expect(original[20 * 40 + 9]).toBeNaN();
    expect(original[20 * 40 + 30]).toBeNaN();
    expect(original[9 * 40 + 20]).toBeNaN();
    expect(original[20 * 40 + 10]).toBe(0);
    expect(original[20 * 40 + 20]).toBeCloseTo((20.5 - 10) / 4 - 0.5, 5);
    expect(original[20 * 40 + 29]).toBe(4);
    expect(original.filter(Number.isNaN).length).toBe(40 * 40 - 20 * 20);
  });

  it('puts the peak of a heat map where the image had it, for any shape', () => {
    fc.assert(
      fc.property(sizes, fc.integer(), (size, seed) => {
        const view = resizePadCrop({ resize: 64, crop: 48 }).place(size, randomStream(seed));
        const map = new Float32Array(36);
        map[2 * 6 + 3] = 1;
        const original = view.toOriginal(map, { height: 6, width: 6 });
        let [best, at] = [Number.NEGATIVE_INFINITY, 0];
        original.forEach((value, i) => {
          if (value > best) [best, at] = [value, i];
        });
        const [x, y] = [(at % size.width) + 0.5, Math.floor(at / size.width) + 0.5];
        const seen = view.toModel({ x: x - 0.01, y: y - 0.01, width: 0.02, height: 0.02 });
        // The peak cell spans model pixels 24…32 by 16…24; padding may hide it in a narrow image.
        if (best > 0.5) {
          expect(Math.abs(seen!.x - 28)).toBeLessThanOrEqual(4.5);
          expect(Math.abs(seen!.y - 20)).toBeLessThanOrEqual(4.5);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('refuses a crop larger than the image it is cut from', () => {
    expect(() => resizePadCrop({ resize: 100, crop: 120 })).toThrow(/1 <= crop <= resize, got crop 120, resize 100/);
  });
});
