import * as tf from '@tensorflow/tfjs-core';
import { allocate, type KernelCall, replaceKernel, view } from './heap';

/**
 * Sum and Mean over leading or middle axes (batch norm, a bias's gradient, pooling over an image), added up in double
 * precision without the transposed copy that tfjs-wasm makes first; twice as fast for `[32, 32, 32, 32]` to `[32]`.
 */
export function registerSums(): void {
  for (const name of ['Sum', 'Mean']) {
    replaceKernel(name, (call, original) => sumNeighbours(call, name === 'Mean') ?? original(call));
  }
}

function sumNeighbours({ inputs, attrs, backend }: KernelCall, mean: boolean): tf.TensorInfo | undefined {
  const x = inputs.x!;
  const axes = tf.util.parseAxisParam(attrs.axis as number | number[], x.shape).sort((a, b) => a - b);
  const first = axes[0] ?? 0;
  const after = first + axes.length;
  if (x.dtype !== 'float32' || after >= x.shape.length || axes.some((axis, i) => axis !== first + i)) return undefined;
  const outer = tf.util.sizeFromShape(x.shape.slice(0, first));
  const terms = tf.util.sizeFromShape(x.shape.slice(first, after));
  const inner = tf.util.sizeFromShape(x.shape.slice(after));
  const shape = attrs.keepDims
    ? x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
    : [...x.shape.slice(0, first), ...x.shape.slice(after)];
  const out = allocate(backend, shape);
  const values = view(backend, x);
  const to = view(backend, out);
  const sums = new Float64Array(inner);
  for (let o = 0, i = 0; o < outer; o++) {
    sums.fill(0);
    for (let t = 0; t < terms; t++) {
      for (let k = 0; k < inner; k++, i++) sums[k]! += values[i]!;
    }
    for (let k = 0; k < inner; k++) to[o * inner + k] = mean ? sums[k]! / terms : sums[k]!;
  }
  return out;
}
