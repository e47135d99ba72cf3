import * as tf from '@tensorflow/tfjs-core';
import { allocate, replaceKernel, view } from './heap';

/**
 * Sum over leading axes (a bias's or a batch norm's gradient), added up in double precision without the transposed
 * copy that tfjs-wasm makes first: 3 ms against 8 ms for `[32, 32, 32, 32]` to `[32]`.
 */
export function registerSum(): void {
  replaceKernel('Sum', (call, original) => {
    const x = call.inputs.x!;
    const axes = tf.util.parseAxisParam(call.attrs.axis as number | number[], x.shape);
    const leading = axes.length < x.shape.length && [...axes].sort((a, b) => a - b).every((axis, i) => axis === i);
    if (!leading || x.dtype !== 'float32') return original(call);
    const { backend } = call;
    const kept = x.shape.slice(axes.length);
    const out = allocate(backend, call.attrs.keepDims ? [...axes.map(() => 1), ...kept] : kept);
    const values = view(backend, x);
    const sums = new Float64Array(tf.util.sizeFromShape(kept));
    for (let i = 0; i < values.length; ) {
      for (let k = 0; k < sums.length; k++, i++) sums[k]! += values[i]!;
    }
    view(backend, out).set(sums);
    return out;
  });
}
