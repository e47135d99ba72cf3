import type * as tf from '@tensorflow/tfjs-core';
import {
  addKernel as add,
  type Call,
  type Kernel,
  replaceKernel as replace,
  runKernel as run,
} from '../kernels/registry';

export { release, reshaped } from '../kernels/registry';

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

export type KernelCall = Call<WasmBackend>;
export type WasmKernel = Kernel<WasmBackend>;

export const addKernel = (name: string, kernel: WasmKernel): void => add('wasm', name, kernel);

export const replaceKernel = (
  name: string,
  replacement: (call: KernelCall, original: WasmKernel) => tf.TensorInfo | tf.TensorInfo[],
): void => replace('wasm', name, replacement);

export const runKernel = (
  name: string,
  backend: WasmBackend,
  inputs: Record<string, tf.TensorInfo>,
  attrs: Record<string, unknown> = {},
): tf.TensorInfo => run('wasm', name, backend, inputs, attrs);

/** A new float32 tensor in the engine's memory, uninitialised. */
export const allocate = (backend: WasmBackend, shape: number[]): tf.TensorInfo => backend.makeOutput(shape, 'float32');

/**
 * The tensor's values, in place. Take views only after every allocation of a step: growing the memory detaches them.
 */
export const view = (backend: WasmBackend, tensor: tf.TensorInfo): Float32Array =>
  backend.typedArrayFromHeap(tensor) as Float32Array;
