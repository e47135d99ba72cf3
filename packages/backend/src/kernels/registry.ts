import * as tf from '@tensorflow/tfjs-core';

/** A kernel's arguments, for any engine. */
export interface Call<B extends tf.KernelBackend = tf.KernelBackend> {
  inputs: Record<string, tf.TensorInfo>;
  attrs: Record<string, unknown>;
  backend: B;
}

/** A kernel. It may not dispose its inputs, and must dispose every intermediate it makes. */
export type Kernel<B extends tf.KernelBackend = tf.KernelBackend> = (call: Call<B>) => tf.TensorInfo | tf.TensorInfo[];

/** Puts a kernel before the engine's own of that name, which it is given to fall back on. */
export function replaceKernel<B extends tf.KernelBackend>(
  engine: string,
  name: string,
  replacement: (call: Call<B>, original: Kernel<B>) => tf.TensorInfo | tf.TensorInfo[],
): void {
  const config = tf.getKernel(name, engine);
  if (!config) return;
  const original = config.kernelFunc as unknown as Kernel<B>;
  tf.unregisterKernel(name, engine);
  tf.registerKernel({ ...config, kernelFunc: (call) => replacement(call as unknown as Call<B>, original) });
}

/** Registers a kernel that the engine lacks, unless a later version of it has one. */
export function addKernel<B extends tf.KernelBackend>(engine: string, name: string, kernel: Kernel<B>): void {
  if (tf.getKernel(name, engine)) return;
  tf.registerKernel({
    kernelName: name,
    backendName: engine,
    kernelFunc: (call) => kernel(call as unknown as Call<B>),
  });
}

/** Runs an engine's kernel. The caller frees the result with `release`. */
export function runKernel(
  engine: string,
  name: string,
  backend: tf.KernelBackend,
  inputs: Record<string, tf.TensorInfo>,
  attrs: Record<string, unknown> = {},
): tf.TensorInfo {
  const { kernelFunc } = tf.getKernel(name, engine);
  return kernelFunc({ inputs: inputs as never, attrs: attrs as never, backend }) as tf.TensorInfo;
}

/** Gives intermediate results back to an engine. */
export function release(backend: tf.KernelBackend, ...tensors: tf.TensorInfo[]): void {
  for (const tensor of tensors) backend.disposeData(tensor.dataId);
}

/** The same values under another shape: shapes are only descriptions, so nothing is copied or counted. */
export const reshaped = (tensor: tf.TensorInfo, shape: number[]): tf.TensorInfo => ({ ...tensor, shape });
