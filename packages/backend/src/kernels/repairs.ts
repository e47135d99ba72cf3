import * as tf from '@tensorflow/tfjs-core';
import { type Call, type Kernel, release, replaceKernel, reshaped, runKernel } from './registry';

/**
 * Corrects kernels that give wrong numbers or shapes on an engine of tfjs's own:
 * - AvgPoolGrad divides by the whole window where the forward pass divides by its pixels inside the image;
 * - BatchMatMul takes wrong matrices when both batches broadcast, `[2, 1]` against `[1, 3]`;
 * - ResizeBilinearGrad (cpu) swaps height and width of the result's shape.
 */
export function repairKernels(engine: 'cpu' | 'wasm'): void {
  replaceKernel(engine, 'AvgPoolGrad', (call, original) => averagePoolGradient(engine, call, original));
  replaceKernel(engine, 'BatchMatMul', (call, original) => broadcastMatMul(engine, call, original));
  replaceKernel(engine, 'ResizeBilinearGrad', (call, original) => {
    const dx = original(call) as tf.TensorInfo;
    return reshaped(dx, call.inputs.images!.shape);
  });
}

function averagePoolGradient(engine: string, call: Call, original: Kernel) {
  const { dy, input } = call.inputs as { dy: tf.TensorInfo; input: tf.TensorInfo };
  const { filterSize, strides, pad } = call.attrs as { filterSize: number; strides: number; pad: number };
  const info = tf.backend_util.computePool2DInfo(
    input.shape as [number, number, number, number],
    filterSize,
    strides,
    1,
    pad,
  );
  const { top, bottom, left, right } = info.padInfo;
  if (top + bottom + left + right === 0) return original(call);
  const rows = insidePixels(info.outHeight, info.strideHeight, info.filterHeight, top, info.inHeight);
  const columns = insidePixels(info.outWidth, info.strideWidth, info.filterWidth, left, info.inWidth);
  const window = info.filterHeight * info.filterWidth;
  const factors = Float32Array.from(rows.flatMap((r) => columns.map((c) => window / Math.max(1, r * c))));
  const shape = [1, rows.length, columns.length, 1];
  const factor = { dataId: call.backend.write(factors, shape, 'float32'), shape, dtype: 'float32' as const };
  const scaled = runKernel(engine, 'Multiply', call.backend, { a: dy, b: factor });
  const dx = original({ ...call, inputs: { dy: scaled, input } });
  release(call.backend, factor as tf.TensorInfo, scaled);
  return dx;
}

/** How many pixels of each window, along one axis, lie inside the image. */
const insidePixels = (count: number, stride: number, size: number, before: number, length: number): number[] =>
  Array.from({ length: count }, (_, i) => {
    const start = i * stride - before;
    return Math.min(length, start + size) - Math.max(0, start);
  });

function broadcastMatMul(engine: string, call: Call, original: Kernel) {
  const { a, b } = call.inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
  const outerA = a.shape.slice(0, -2);
  const outerB = b.shape.slice(0, -2);
  const one = (outer: number[]) => outer.every((size) => size === 1);
  if (one(outerA) || one(outerB) || tf.util.arraysEqual(outerA, outerB)) return original(call);
  const outer = tf.broadcast_util.assertAndGetBroadcastShape(outerA, outerB);
  const expand = (x: tf.TensorInfo, own: number[]) => {
    const padded = [...outer.map((_, i) => own[i - outer.length + own.length] ?? 1), ...x.shape.slice(-2)];
    const reps = [...outer.map((size, i) => size / padded[i]!), 1, 1];
    return runKernel(engine, 'Tile', call.backend, { x: reshaped(x, padded) }, { reps });
  };
  const left = expand(a, outerA);
  const right = expand(b, outerB);
  const out = original({ ...call, inputs: { a: left, b: right } });
  release(call.backend, left, right);
  return out;
}
