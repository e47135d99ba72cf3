import { checkGradient, expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { roiAlign } from './roi-align';

/** The mean of bilinear samples, sample by sample in float64, for one channel of one image. */
function plainLoop(grid: number[][], box: number[], size: [number, number], samples: number): number[] {
  const [h, w] = [grid.length, grid[0]!.length];
  const [cx, cy, bw, bh] = box as [number, number, number, number];
  const [x0, y0] = [(cx - bw / 2) * w - 0.5, (cy - bh / 2) * h - 0.5];
  const [stepX, stepY] = [(bw * w) / size[1], (bh * h) / size[0]];
  const read = (y: number, x: number) => {
    if (y < -1 || y > h || x < -1 || x > w) return 0;
    const [sy, sx] = [Math.min(Math.max(y, 0), h - 1), Math.min(Math.max(x, 0), w - 1)];
    const [top, left] = [Math.min(Math.floor(sy), h - 1), Math.min(Math.floor(sx), w - 1)];
    const [down, right] = [Math.min(top + 1, h - 1), Math.min(left + 1, w - 1)];
    const [fy, fx] = [sy - top, sx - left];
    return (
      (1 - fy) * ((1 - fx) * grid[top]![left]! + fx * grid[top]![right]!) +
      fy * ((1 - fx) * grid[down]![left]! + fx * grid[down]![right]!)
    );
  };
  const cells: number[] = [];
  for (let i = 0; i < size[0]; i++) {
    for (let j = 0; j < size[1]; j++) {
      let sum = 0;
      for (let a = 0; a < samples; a++)
        for (let b = 0; b < samples; b++)
          sum += read(y0 + (i + (a + 0.5) / samples) * stepY, x0 + (j + (b + 0.5) / samples) * stepX);
      cells.push(sum / samples ** 2);
    }
  }
  return cells;
}

const inside = fc
  .tuple(fc.double({ min: 0.05, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([length, at]) => [length / 2 + at * (1 - length), length] as const);
const anyBox = fc.tuple(inside, inside).map(([[cx, w], [cy, h]]) => [cx, cy, w, h]);

onEveryEngine('roiAlign', () => {
  it('equals plain loops for any box, grid and size', () => {
    const cases = fc.record({
      boxes: fc.array(anyBox, { minLength: 2, maxLength: 2 }),
      h: fc.integer({ min: 1, max: 6 }),
      w: fc.integer({ min: 1, max: 6 }),
      size: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
      samples: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(cases, ({ boxes, h, w, size, samples }) =>
        tf.tidy(() => {
          const grid = random(h * 7 + w).tensor<tf.Rank.R4>([1, h, w, 1]);
          const plain = (grid.arraySync()[0] as number[][][]).map((row) => row.map((cell) => cell[0]!));
          expectClose(
            roiAlign(grid, tf.tensor3d([boxes]), { size, samples }),
            boxes.flatMap((box) => plainLoop(plain, box, size, samples)),
            2e-5,
          );
        }),
      ),
      { numRuns: 25, seed: 4 },
    );
  });

  it('reads a linear grid exactly: the cells of a box inside it are its coordinates', () => {
    const grid = tf.tensor4d(Array.from({ length: 64 }, (_, i) => [i % 8, Math.floor(i / 8)]).flat(), [1, 8, 8, 2]);
    const box = [0.5, 0.4375, 0.5, 0.375]; // pixels 2 … 6 by 2 … 5
    const cells = roiAlign(grid, tf.tensor3d([[box]]), { size: [1, 2] });
    expectClose(cells, [2.5, 3, 4.5, 3], 1e-6);
  });

  it('has the gradient of finite differences, on every adaptive sample too', () => {
    const boxes = tf.tensor3d([[[0.4, 0.5, 0.5, 0.7], [0.8, 0.8, 0.3, 0.3]]]); // biome-ignore format: two boxes
    for (const samples of [2, 'adaptive'] as const) {
      const weights = random(2).tensor([1, 2, 2, 2, 2]);
      const f = (x: tf.Tensor) =>
        tf.sum(tf.mul(roiAlign(x as tf.Tensor4D, boxes, { size: 2, samples }), weights)) as tf.Scalar;
      checkGradient((x) => f(x!), [random(3).tensor([1, 4, 5, 2])]);
    }
  });

  it('is 0 where padded, in value and gradient, whatever stands there', () => {
    const grid = random(3).tensor<tf.Rank.R4>([2, 3, 3, 2]);
    const boxes = (garbage: number) =>
      tf.tensor3d([[[0.5, 0.5, 1, 1], Array(4).fill(garbage)], [Array(4).fill(garbage), [0.3, 0.3, 0.4, 0.4]]]); // biome-ignore format: two images
    const roiMask = tf.tensor2d([[1, 0], [0, 1]]); // biome-ignore format: one row per image
    const f = (garbage: number) => (x: tf.Tensor) => roiAlign(x as tf.Tensor4D, boxes(garbage), { size: 2, roiMask });
    const wanted = f(0)(grid).dataSync();
    for (const garbage of [0.5, Number.NaN]) {
      expect([...f(garbage)(grid).dataSync()]).toEqual([...wanted]);
      const gradient = tf.grad((x) => tf.sum(f(garbage)(x)))(grid);
      expectClose(tf.sum(gradient, [1, 2]), [4, 4, 4, 4], 1e-5); // the four cells of the one ROI of each image
    }
    expect([...wanted.slice(8, 24)]).toEqual(Array(16).fill(0));
  });

  it('leaves boxes on the tape alone, leaks nothing, and says what is wrong', () => {
    const grid = random(3).tensor<tf.Rank.R4>([2, 3, 3, 2]);
    const boxes = tf.fill([2, 1, 4], 0.5) as tf.Tensor3D;
    const gradient = tf.grad((x) => tf.sum(tf.add(roiAlign(grid, x as tf.Tensor3D), tf.mean(x))))(boxes);
    expectClose(tf.sum(gradient), [2 * 49 * 2], 1e-3); // of the mean alone
    expectNoLeak(() => roiAlign(grid, boxes), [grid, boxes]);
    expectNoLeak(() => tf.grad((x) => tf.sum(roiAlign(x as tf.Tensor4D, boxes)))(grid), [grid, boxes]);
    expect(() => roiAlign(tf.ones([2, 9, 2]) as never, boxes)).toThrow(/grid: expected shape \[b, h, w, c\]/);
    expect(() => roiAlign(grid, tf.ones([3, 1, 4]))).toThrow(/b is 2 in grid/);
    expect(() => roiAlign(grid, boxes, { size: 0 })).toThrow(/size/);
    expect(() => roiAlign(grid, boxes, { size: [2, 2, 2] as never })).toThrow(/\[height, width\]/);
    expect(() => roiAlign(grid, boxes, { samples: 0.5 })).toThrow(/samples/);
  });
});
