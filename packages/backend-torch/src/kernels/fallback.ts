import * as tf from '@tensorflow/tfjs-core';
import type { TorchBackend } from '../backend';
import type { KernelCall } from './types';

type CpuKernel = (call: { inputs: never; attrs: never; backend: tf.KernelBackend }) => tf.TensorInfo | tf.TensorInfo[];

/** Kernels that ran on the cpu engine since the start, by name: what a program could gain from. */
export const fallbacks = new Map<string, number>();

/** Runs the cpu engine's kernel: the inputs are read, the results written back. */
export function runOnCpu(name: string, { inputs, attrs, backend }: KernelCall): tf.TensorInfo | tf.TensorInfo[] {
  const cpu = tf.findBackend('cpu');
  const { kernelFunc } = tf.getKernel(name, 'cpu') as unknown as { kernelFunc: CpuKernel };
  if (!fallbacks.has(name) && tf.env().getBool('DEBUG')) console.warn(`torch: ${name} runs on the cpu engine`);
  fallbacks.set(name, (fallbacks.get(name) ?? 0) + 1);
  const copies: tf.TensorInfo[] = [];
  const copied = (tensor: tf.TensorInfo) => {
    // Some of the cpu engine's kernels ask for what only a tensor has.
    const { shape } = tensor;
    const copy = Object.assign(toCpu(tensor, backend, cpu), { rank: shape.length, size: tf.util.sizeFromShape(shape) });
    copies.push(copy);
    return copy;
  };
  // An input can be a list (RaggedGather), and so can all of them (Einsum).
  const given = Array.isArray(inputs)
    ? inputs.map(copied)
    : Object.fromEntries(
        Object.entries(inputs).map(([key, input]) => [
          key,
          Array.isArray(input) ? input.map(copied) : input && copied(input),
        ]),
      );
  try {
    const result = kernelFunc({ inputs: given as never, attrs: attrs as never, backend: cpu });
    const results = [result].flat();
    const outputs = results.map((tensor) => fromCpu(tensor, cpu, backend));
    copies.push(...(results as typeof copies));
    return Array.isArray(result) ? outputs : outputs[0]!;
  } finally {
    for (const { dataId } of copies) cpu.disposeData(dataId);
  }
}

function toCpu({ dataId, shape, dtype }: tf.TensorInfo, backend: TorchBackend, cpu: tf.KernelBackend): tf.TensorInfo {
  const { parts } = backend.call.dataOf(dataId);
  if (!parts) return { dataId: cpu.write(backend.readSync(dataId), shape, dtype), shape, dtype };
  const [real, imag] = [parts.real, parts.imag].map((part) => toCpu({ ...part, shape }, backend, cpu)) as [
    tf.TensorInfo,
    tf.TensorInfo,
  ];
  const complex = runCpu('Complex', { real, imag }, cpu);
  for (const part of [real, imag]) cpu.disposeData(part.dataId);
  return complex;
}

function fromCpu(tensor: tf.TensorInfo, cpu: tf.KernelBackend, backend: TorchBackend): tf.TensorInfo {
  const { dataId, shape, dtype } = tensor;
  if (dtype !== 'complex64') return { dataId: backend.write(cpu.readSync(dataId), shape, dtype), shape, dtype };
  const [real, imag] = ['Real', 'Imag'].map((name) => {
    const part = runCpu(name, { input: tensor }, cpu);
    const written = fromCpu(part, cpu, backend);
    cpu.disposeData(part.dataId);
    return written;
  }) as [tf.TensorInfo, tf.TensorInfo];
  return backend.complex(real, imag);
}

function runCpu(name: string, inputs: Record<string, tf.TensorInfo>, backend: tf.KernelBackend): tf.TensorInfo {
  const { kernelFunc } = tf.getKernel(name, 'cpu') as unknown as { kernelFunc: CpuKernel };
  return kernelFunc({ inputs: inputs as never, attrs: {} as never, backend }) as tf.TensorInfo;
}
