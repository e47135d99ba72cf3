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
  const scale = list.length % 4 === 1 ? view(backend, list.at(-1)!)[0]! : 1;
  const outputs: tf.TensorInfo[] = [];
  for (let i = 0; i + 4 <= list.length; i += 4)
    outputs.push(...step(backend, list.slice(i, i + 4), scale, attrs as Record<string, number>));
  return outputs;
}

function step(
  backend: KernelCall['backend'],
  parameter: tf.TensorInfo[],
  scale: number,
  { beta1, beta2, epsilon, stepSize, penalty, shrink }: Record<string, number>,
): tf.TensorInfo[] {
  const outputs = [0, 2, 3].map((i) => allocate(backend, parameter[i]!.shape));
  // views come after all allocations: growing the memory detaches them
  const all = [...parameter, ...outputs].map((tensor) => view(backend, tensor));
  const [w, g, m, s, newW, newM, newS] = all as Float32Array[];
  for (let i = 0; i < w!.length; i++) {
    const slope = scale * g![i]! + penalty! * w![i]!;
    const average = beta1! * m![i]! + (1 - beta1!) * slope;
    const squares = beta2! * s![i]! + (1 - beta2!) * slope * slope;
    newM![i] = average;
    newS![i] = squares;
    newW![i] = shrink! * w![i]! - (stepSize! * average) / (Math.sqrt(squares) + epsilon!);
  }
  return outputs;
}
