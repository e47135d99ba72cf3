import type * as tf from '@tensorflow/tfjs-core';
import { allocate, type KernelCall, release, view, type WasmBackend, type WasmKernel } from './heap';

/** Inner and outer size that each tensor was packed with; entries die with the tensor. */
const packedAs = new WeakMap<object, string>();

/**
 * Runs a matrix product of XNNPACK on `[k, n]` values b. tfjs-wasm packs b at its first product and looks the packed
 * copy up by b's data alone, so that the same data reshaped gives wrong numbers: another shape gets a copy of the data.
 */
export function multiplyPacked(call: KernelCall, original: WasmKernel): tf.TensorInfo {
  const { backend } = call;
  const b = call.inputs.b!;
  const shape = b.shape.slice(-2).join();
  const known = packedAs.get(b.dataId);
  if (known === undefined) packedAs.set(b.dataId, shape);
  if (known === undefined || known === shape) return original(call) as tf.TensorInfo;
  const copy = copyOf(backend, b);
  const out = original({ ...call, inputs: { ...call.inputs, b: copy } }) as tf.TensorInfo;
  release(backend, copy);
  return out;
}

function copyOf(backend: WasmBackend, x: tf.TensorInfo): tf.TensorInfo {
  const out = allocate(backend, x.shape);
  view(backend, out).set(view(backend, x));
  return out;
}
