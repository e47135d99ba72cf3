import * as tf from '@tensorflow/tfjs-core';
import {
  allocate,
  type KernelCall,
  release,
  replaceKernel,
  reshaped,
  runKernel,
  view,
  type WasmBackend,
  type WasmKernel,
} from './heap';
import { multiplyPacked } from './packed-operands';
import { swapLastTwo } from './transpose';

/** From about this many multiply–adds per matrix, setting up one fast product per matrix pays for itself. */
const WORTH_A_FAST_PRODUCT = 1 << 14;

/**
 * tfjs-wasm multiplies fast (XNNPACK) only when both batches are 1 and nothing is transposed; everything else runs
 * a scalar loop, 10 to 17 times slower. So: transpose first, fold what shares one right-hand matrix into one product,
 * and run large batches matrix by matrix on views of the same memory.
 */
export function registerMatMul(): void {
  replaceKernel('BatchMatMul', (call, original) => {
    const { backend } = call;
    const { a, b } = call.inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
    const { transposeA, transposeB } = call.attrs as { transposeA: boolean; transposeB: boolean };
    const [rowsA, columnsA] = a.shape.slice(-2) as [number, number];
    const [rowsB, columnsB] = b.shape.slice(-2) as [number, number];
    const outerA = a.shape.slice(0, -2);
    const outerB = b.shape.slice(0, -2);
    const batchA = tf.util.sizeFromShape(outerA);
    const batchB = tf.util.sizeFromShape(outerB);
    const [m, k] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
    const n = transposeB ? rowsB : columnsB;
    const simple = batchB === 1 || batchA === 1 || tf.util.arraysEqual(outerA, outerB);
    const single = batchB === 1 && (batchA === 1 || m > 1);
    if (a.dtype !== 'float32' || b.dtype !== 'float32' || !simple || m * k * n * batchA * batchB === 0)
      return original(call);
    if (!single && batchA === batchB && (m === 1 || n === 1)) return timesVectors(call, outerA, { m, k, n });
    if (!single && m * k * n < WORTH_A_FAST_PRODUCT) return original(call);

    // aᵀb = (bᵀa)ᵀ: where a is the largest of the three, b and the product are turned instead.
    if (!single && transposeA && !transposeB && batchB * k * n + Math.max(batchA, batchB) * m * n < batchA * k * m) {
      const flipped = runKernel('BatchMatMul', backend, { a: b, b: a }, { transposeA: true, transposeB: false });
      const out = swapLastTwo(backend, flipped, Math.max(batchA, batchB), n, m);
      release(backend, flipped);
      return reshaped(out, [...flipped.shape.slice(0, -2), m, n]);
    }
    const left = transposeA ? swapLastTwo(backend, a, batchA, rowsA, columnsA) : a;
    const right = transposeB ? swapLastTwo(backend, b, batchB, rowsB, columnsB) : b;
    const outer = tf.broadcast_util.assertAndGetBroadcastShape(outerA, outerB);
    const out = single
      ? multiply(call, original, reshaped(left, [1, batchA * m, k]), reshaped(right, [1, k, n]))
      : multiplyEach(call, original, { left, right, batchA, batchB, m, k, n });
    if (left !== a) release(backend, left);
    if (right !== b) release(backend, right);
    return reshaped(out, [...outer, m, n]);
  });

  replaceKernel('_FusedMatMul', (call, original) => {
    const { backend, inputs, attrs } = call;
    const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
    const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
    const [batchA, rowsA, columnsA] = a.shape as [number, number, number];
    const [batchB, rowsB, columnsB] = b.shape as [number, number, number];
    if (batchA !== 1 || batchB !== 1 || a.dtype !== 'float32' || b.dtype !== 'float32') return original(call);
    const left = transposeA ? swapLastTwo(backend, a, 1, rowsA, columnsA) : a;
    const right = transposeB ? swapLastTwo(backend, b, 1, rowsB, columnsB) : b;
    const out = multiplyPacked(
      {
        backend,
        inputs: { ...inputs, a: left, b: right },
        attrs: { ...attrs, transposeA: false, transposeB: false },
      },
      original,
    );
    if (left !== a) release(backend, left);
    if (right !== b) release(backend, right);
    return out;
  });
}

/** `[1, m, k]` · `[1, k, n]` → `[1, m, n]`, float32. */
export const multiplyMatrices = (backend: WasmBackend, a: tf.TensorInfo, b: tf.TensorInfo): tf.TensorInfo =>
  runKernel('BatchMatMul', backend, { a, b }, { transposeA: false, transposeB: false });

const multiply = ({ backend }: KernelCall, original: WasmKernel, a: tf.TensorInfo, b: tf.TensorInfo) =>
  multiplyPacked({ backend, inputs: { a, b }, attrs: { transposeA: false, transposeB: false } }, original);

function multiplyEach(
  call: KernelCall,
  original: WasmKernel,
  sizes: {
    left: tf.TensorInfo;
    right: tf.TensorInfo;
    batchA: number;
    batchB: number;
    m: number;
    k: number;
    n: number;
  },
): tf.TensorInfo {
  const { left, right, batchA, batchB, m, k, n } = sizes;
  const { backend } = call;
  const batch = Math.max(batchA, batchB);
  const out = allocate(backend, [batch, m, n]);
  for (let i = 0; i < batch; i++) {
    const a = matrixAt(backend, left, batchA === 1 ? 0 : i, [1, m, k]);
    const b = matrixAt(backend, right, batchB === 1 ? 0 : i, [1, k, n]);
    const product = multiply(call, original, a, b);
    forget(backend, a);
    forget(backend, b);
    const target = backend.typedArrayFromHeap(out) as Float32Array;
    target.set(backend.typedArrayFromHeap(product) as Float32Array, i * m * n);
    release(backend, product);
  }
  return out;
}

/** A batch of matrices times one vector each: nothing is read twice, so nothing is gained by packing or turning it. */
function timesVectors(
  { inputs, attrs, backend }: KernelCall,
  outer: number[],
  { m, k, n }: { m: number; k: number; n: number },
): tf.TensorInfo {
  const [matrix, vector] = n === 1 ? [inputs.a!, inputs.b!] : [inputs.b!, inputs.a!];
  const rows = Math.max(m, n);
  // M v, with one row of M per result: a as it is, or b turned.
  const rowMajor = n === 1 ? !attrs.transposeA : Boolean(attrs.transposeB);
  const out = allocate(backend, [...outer, m, n]);
  const values = view(backend, matrix);
  const weights = view(backend, vector);
  const to = view(backend, out);
  for (let b = 0; b * rows < to.length; b++) {
    const [first, from, target] = [b * rows * k, b * k, b * rows];
    if (rowMajor) byRows(values, weights, to, first, from, target, rows, k);
    else byColumns(values, weights, to, first, from, target, rows, k);
  }
  return out;
}

type VectorLoop = (
  values: Float32Array,
  weights: Float32Array,
  to: Float32Array,
  first: number,
  from: number,
  target: number,
  rows: number,
  k: number,
) => void;

const byRows: VectorLoop = (values, weights, to, first, from, target, rows, k) => {
  for (let r = 0, i = first; r < rows; r++) {
    let [even, odd] = [0, 0];
    let c = 0;
    for (; c + 1 < k; c += 2, i += 2) {
      even += values[i]! * weights[from + c]!;
      odd += values[i + 1]! * weights[from + c + 1]!;
    }
    if (c < k) even += values[i++]! * weights[from + c]!;
    to[target + r] = even + odd;
  }
};

const byColumns: VectorLoop = (values, weights, to, first, from, target, rows, k) => {
  const sums = new Float64Array(rows);
  for (let c = 0, i = first; c < k; c++) {
    const weight = weights[from + c]!;
    for (let r = 0; r < rows; r++) sums[r]! += weight * values[i++]!;
  }
  to.set(sums, target);
};

/** Matrix `index` of a batch, as a tensor over the same memory. It is forgotten, never freed. */
function matrixAt(backend: WasmBackend, batch: tf.TensorInfo, index: number, shape: number[]): tf.TensorInfo {
  const { memoryOffset } = backend.dataIdMap.get(batch.dataId);
  return backend.makeOutput(shape, 'float32', memoryOffset + 4 * index * tf.util.sizeFromShape(shape));
}

function forget(backend: WasmBackend, tensor: tf.TensorInfo): void {
  backend.wasm.tfjs.disposeData(backend.dataIdMap.get(tensor.dataId).id);
  backend.dataIdMap.delete(tensor.dataId);
}
