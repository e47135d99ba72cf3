import { describe, expect, it } from 'vitest';
import golden from '../goldens/resize.json';
import { boxMask, resizeMap } from './maps';

describe('boxMask', () => {
  it('marks the pixels whose centre is inside, as a union, cut at the border', () => {
    const boxes = [
      { x: 0, y: 0, width: 2, height: 1 },
      { x: 1, y: 0, width: 9, height: 2 },
    ];
    expect([...boxMask(boxes, { width: 4, height: 3 })]).toEqual([1, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0]);
    expect([...boxMask([{ x: 0.6, y: 0, width: 1, height: 1 }], { width: 3, height: 1 })]).toEqual([0, 1, 0]);
    expect([...boxMask([], { width: 2, height: 1 })]).toEqual([0, 0]);
  });
  it('refuses corners passed as sizes', () => {
    expect(() => boxMask([{ x: 5, y: 5, width: -2, height: 3 }], { width: 9, height: 9 })).toThrow(
      /convert from corners/,
    );
  });
});

describe('resizeMap', () => {
  it('agrees with PyTorch bilinear interpolation', () => {
    const { data, width, height } = golden.map;
    const resized = resizeMap({ data, width, height }, { width: golden.width, height: golden.height });
    golden.expected.forEach((value, i) => {
      expect(resized.data[i]).toBeCloseTo(value, 5);
    });
  });
  it('leaves what the model did not see unknown', () => {
    const region = { x: 1, y: 0, width: 2, height: 1 };
    const { data } = resizeMap({ data: [5, 7], width: 2, height: 1 }, { width: 4, height: 2, region });
    expect([...data]).toEqual([Number.NaN, 5, 7, Number.NaN, Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
  });
  it('cuts the padding of a region larger than the image', () => {
    const region = { x: -2, y: 0, width: 6, height: 1 };
    expect([...resizeMap({ data: [9, 1, 9], width: 3, height: 1 }, { width: 2, height: 1, region }).data]).toEqual([
      3, 3,
    ]);
  });
  it('refuses data that do not fill the grid', () => {
    expect(() => resizeMap({ data: [1, 2, 3], width: 2, height: 2 }, { width: 4, height: 4 })).toThrow(
      /2 × 2 values, got 3/,
    );
  });
});
