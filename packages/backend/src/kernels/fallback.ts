import * as tf from '@tensorflow/tfjs-core';
import { addKernel } from './registry';

/**
 * Every kernel that the cpu engine has and another engine lacks (Einsum on wasm, ragged and string kernels): the inputs
 * are read, the cpu kernel runs, the result is written back. The same numbers, at the cpu engine's speed.
 * `tf.enableDebugMode()` says once for each when it happens.
 *
 * @param except kernels that are left out: those that need what the engine has not got.
 */
export function registerCpuFallbacks(engine: string, except: ReadonlySet<string>): void {
  for (const { kernelName, kernelFunc } of tf.getKernelsForBackend('cpu')) {
    if (except.has(kernelName)) continue;
    let said = false;
    addKernel(engine, kernelName, ({ inputs, attrs, backend }) => {
      if (!said && tf.env().getBool('DEBUG')) console.warn(`${engine}: ${kernelName} runs on the cpu engine`);
      said = true;
      const cpu = tf.findBackend('cpu');
      const copies: tf.TensorInfo[] = [];
      const copied = (tensor: tf.TensorInfo) => {
        // Some of the cpu engine's kernels ask for what only a tensor has.
        const { shape } = tensor;
        const extra = { rank: shape.length, size: tf.util.sizeFromShape(shape) };
        copies.push(Object.assign(copy(backend, cpu, tensor), extra));
        return copies.at(-1)!;
      };
      // Kernels with any number of inputs (Einsum) get them as an array, and one input can be a list (RaggedGather).
      const given = Array.isArray(inputs)
        ? inputs.map(copied)
        : Object.fromEntries(
            Object.entries(inputs).map(([name, input]) => [
              name,
              Array.isArray(input) ? input.map(copied) : copied(input),
            ]),
          );
      try {
        const result = kernelFunc({ inputs: given as never, attrs: attrs as never, backend: cpu });
        const results = Array.isArray(result) ? result : [result];
        const outputs = results.map((tensor) => copy(cpu, backend, tensor));
        copies.push(...results);
        return Array.isArray(result) ? outputs : outputs[0]!;
      } finally {
        for (const { dataId } of copies) cpu.disposeData(dataId);
      }
    });
  }
}

function copy(from: tf.KernelBackend, to: tf.KernelBackend, tensor: tf.TensorInfo): tf.TensorInfo {
  const { shape, dtype } = tensor;
  return { dataId: to.write(from.readSync(tensor.dataId), shape, dtype), shape, dtype };
}
