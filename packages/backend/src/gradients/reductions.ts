import * as tf from '@tensorflow/tfjs-core';
import { expandTo, type Gradient } from './shared';

/** d sum/dx is dy copied along the summed axes. tfjs-core uploads a host array of ones of x's full size for it. */
const sum: Gradient = {
  kernelName: 'Sum',
  inputsToSave: ['x'],
  gradFunc: (dy, [x], { axis }) => ({
    x: () => expandTo(keepReduced(dy, x!.shape, axis as number | number[]), x!.shape),
  }),
};

/** d mean/dx is dy/n copied along the averaged axes; dividing first divides the small tensor. */
const mean: Gradient = {
  kernelName: 'Mean',
  inputsToSave: ['x'],
  gradFunc: (dy, [x], { axis }) => ({
    x: () => {
      const small = keepReduced(dy, x!.shape, axis as number | number[]);
      return expandTo(tf.div(small, x!.size / small.size), x!.shape);
    },
  }),
};

/** d cumsum/dx is the cumulative sum of dy from the other end. tfjs-core transposes it as well, unless axis is last. */
const cumsum: Gradient = {
  kernelName: 'Cumsum',
  inputsToSave: ['x'],
  gradFunc: (dy, _, { axis, exclusive, reverse }) => ({
    x: () => tf.cumsum(dy, axis as number, exclusive as boolean, !reverse),
  }),
};

/** d tile/dx sums the copies. tfjs-core adds them one slice at a time, and no rank above 4. */
const tile: Gradient = {
  kernelName: 'Tile',
  inputsToSave: ['x'],
  gradFunc: (dy, [x], { reps }) => ({
    x: () => {
      const shape = x!.shape.flatMap((size, axis) => [(reps as number[])[axis]!, size]);
      const copies = shape.map((_, axis) => axis).filter((axis) => axis % 2 === 0 && shape[axis] !== 1);
      // Axes without copies merge with their neighbours, which keeps the rank low enough for every engine.
      return sumAxes(dy, shape, copies, x!.shape);
    },
  }),
};

function keepReduced(dy: tf.Tensor, shape: number[], axis: number | number[]): tf.Tensor {
  const axes = tf.util.parseAxisParam(axis, shape);
  return tf.reshape(
    dy,
    shape.map((size, i) => (axes.includes(i) ? 1 : size)),
  );
}

function sumAxes(dy: tf.Tensor, shape: number[], axes: number[], outShape: number[]): tf.Tensor {
  const merged: number[] = [];
  const summed: number[] = [];
  shape.forEach((size, axis) => {
    if (axes.includes(axis)) {
      summed.push(merged.length);
      merged.push(size);
    } else if (merged.length > 0 && !summed.includes(merged.length - 1)) {
      merged[merged.length - 1]! *= size;
    } else merged.push(size);
  });
  return tf.reshape(summed.length ? tf.sum(tf.reshape(dy, merged), summed) : dy, outShape);
}

export const reductions = [sum, mean, cumsum, tile];
