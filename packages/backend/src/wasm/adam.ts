import type * as tf from '@tensorflow/tfjs-core';
import { addKernel, allocate, type KernelCall, view } from './heap';

/**
 * One Adam step of every parameter in one pass; composed of tfjs kernels it is a dozen calls for each, and a small model
 * has dozens of parameters.
 */
export function registerAdam(): void {
  addKernel('MedalignAdam', adam);
}

function adam({ inputs, attrs, backend }: KernelCall): tf.TensorInfo[] {
  const list = inputs as unknown as tf.TensorInfo[];
  return list.flatMap((_, i) =>
    i % 4 === 0 ? step(backend, list.slice(i, i + 4), attrs as Record<string, number>) : [],
  );
}

function step(
  backend: KernelCall['backend'],
  parameter: tf.TensorInfo[],
  { beta1, beta2, epsilon, stepSize, penalty, shrink }: Record<string, number>,
): tf.TensorInfo[] {
  const outputs = [0, 2, 3].map((i) => allocate(backend, parameter[i]!.shape));
  // views come after all allocations: growing the memory detaches them
  const all = [...parameter, ...outputs].map((tensor) => view(backend, tensor));
  const [w, g, m, s, newW, newM, newS] = all as Float32Array[];
  for (let i = 0; i < w!.length; i++) {
    const slope = g![i]! + penalty! * w![i]!;
    const average = beta1! * m![i]! + (1 - beta1!) * slope;
    const squares = beta2! * s![i]! + (1 - beta2!) * slope * slope;
    newM![i] = average;
    newS![i] = squares;
    newW![i] = shrink! * w![i]! - (stepSize! * average) / (Math.sqrt(squares) + epsilon!);
  }
  return outputs;
}
