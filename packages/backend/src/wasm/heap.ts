import * as tf from '@tensorflow/tfjs-core';

/** What the kernels here use of tfjs-backend-wasm's backend; every member is public there. */
export interface WasmBackend extends tf.KernelBackend {
  wasm: {
    tfjs: {
      registerTensor(id: number, size: number, memoryOffset: number): void;
      disposeData(id: number): void;
    };
  };
  dataIdMap: tf.DataStorage<{ id: number; memoryOffset: number; refCount: number }>;
  makeOutput(shape: number[], dtype: tf.DataType, memoryOffset?: number, values?: tf.TypedArray): tf.TensorInfo;
  typedArrayFromHeap(info: tf.TensorInfo): Float32Array | Int32Array | Uint8Array;
}

/** A kernel's arguments with the names this package uses. */
export interface KernelCall {
  inputs: Record<string, tf.TensorInfo>;
  attrs: Record<string, unknown>;
  backend: WasmBackend;
}

type Original = (call: KernelCall) => tf.TensorInfo | tf.TensorInfo[];

/** Runs a registered wasm kernel; the caller frees the result with `release`. */
export function runKernel(
  name: string,
  backend: WasmBackend,
  inputs: Record<string, tf.TensorInfo>,
  attrs: Record<string, unknown> = {},
): tf.TensorInfo {
  return tf
    .getKernel(name, 'wasm')
    .kernelFunc({ inputs: inputs as never, attrs: attrs as never, backend }) as tf.TensorInfo;
}

/** Gives intermediate results back. */
export function release(backend: WasmBackend, ...tensors: tf.TensorInfo[]): void {
  for (const tensor of tensors) backend.disposeData(tensor.dataId);
}

/** The same values under another shape: shapes are only descriptions, so nothing is copied or counted. */
export const reshaped = (tensor: tf.TensorInfo, shape: number[]): tf.TensorInfo => ({ ...tensor, shape });

/** A new float32 tensor in the engine's memory, uninitialised. */
export const allocate = (backend: WasmBackend, shape: number[]): tf.TensorInfo => backend.makeOutput(shape, 'float32');

/**
 * The tensor's values, in place. Take views only after every allocation of a step: growing the memory detaches them.
 */
export const view = (backend: WasmBackend, tensor: tf.TensorInfo): Float32Array =>
  backend.typedArrayFromHeap(tensor) as Float32Array;

/** Puts `replacement` before tfjs's own wasm kernel of that name, which it is given to fall back on. */
export function replaceKernel(
  name: string,
  replacement: (call: KernelCall, original: Original) => tf.TensorInfo | tf.TensorInfo[],
): void {
  const config = tf.getKernel(name, 'wasm');
  const original = config.kernelFunc as unknown as Original;
  tf.unregisterKernel(name, 'wasm');
  tf.registerKernel({
    ...config,
    kernelFunc: (call) => replacement(call as unknown as KernelCall, original),
  });
}

/** Registers a kernel that tfjs-backend-wasm lacks, unless a later version has it. */
export function addKernel(name: string, kernel: (call: KernelCall) => tf.TensorInfo | tf.TensorInfo[]): void {
  if (tf.getKernel(name, 'wasm')) return;
  tf.registerKernel({
    kernelName: name,
    backendName: 'wasm',
    kernelFunc: (call) => kernel(call as unknown as KernelCall),
  });
}
