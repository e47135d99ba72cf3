import * as tf from '@tensorflow/tfjs-core';
import type { Call } from '../call';
import { TorchError } from '../error';
import { contrastive } from './contrastive';
import { convolution } from './convolution';
import { elementWise } from './element-wise';
import { runOnCpu } from './fallback';
import { fused } from './fused';
import { linear } from './linear';
import { optimiser } from './optimiser';
import { reductions } from './reductions';
import { shapes } from './shapes';
import type { Inputs, KernelCall, Kernels, TorchKernel } from './types';

/** Kernels that only count references: they take complex numbers and strings too. */
const ANY_DTYPE = new Set(['Identity', 'Reshape', 'ExpandDims']);

const complex: Kernels = {
  Complex: ({ inputs: { real, imag }, backend }) => backend.complex(backend.alias(real!), backend.alias(imag!)),
  Real: ({ inputs: { input }, backend }) => part(backend, input!, 'real'),
  Imag: ({ inputs: { input }, backend }) => part(backend, input!, 'imag'),
};
const part = (backend: KernelCall['backend'], { dataId, shape }: tf.TensorInfo, name: 'real' | 'imag') =>
  backend.alias({ ...backend.call.dataOf(dataId).parts![name], shape });

/** Registers every kernel: libtorch's where there is one, else the cpu engine's. */
export function registerKernels(call: Call): void {
  const native: Kernels = {
    ...elementWise(call),
    ...reductions(call),
    ...shapes(call),
    ...linear(call),
    ...convolution(call),
    ...fused(call),
    ...optimiser(call),
    ...contrastive(call),
  };
  const names = new Set([
    ...tf.getKernelsForBackend('cpu').map(({ kernelName }) => kernelName),
    ...Object.keys(native),
  ]);
  for (const name of names) {
    const kernel = complex[name] ?? (native[name] ? guarded(name, native[name]) : (given) => runOnCpu(name, given));
    tf.registerKernel({
      kernelName: name,
      backendName: 'torch',
      kernelFunc: kernel as unknown as tf.KernelFunc,
    });
  }
}

function guarded(name: string, kernel: TorchKernel): TorchKernel {
  const anything = ANY_DTYPE.has(name);
  return (given) => {
    if (!anything && !numeric(given.inputs)) return runOnCpu(name, given);
    try {
      return kernel(given) ?? runOnCpu(name, given);
    } catch (error) {
      if ((error as { code?: string }).code !== 'MEDALIGN_TORCH') throw error;
      const all = Object.values(given.inputs);
      const shapes = all.slice(0, 8).map((tensor) => (tensor ? `[${tensor.shape}]` : '–'));
      const inputs = shapes.join(', ') + (all.length > 8 ? `, … (${all.length} inputs)` : '');
      throw new TorchError(`${name} of ${inputs}: ${(error as Error).message}`, undefined, { cause: error });
    }
  };
}

function numeric(inputs: Inputs): boolean {
  for (const name in inputs) {
    const dtype = inputs[name]?.dtype;
    if (dtype === 'complex64' || dtype === 'string') return false;
  }
  return true;
}
