import type * as tf from '@tensorflow/tfjs-core';
import { addKernel, allocate, type KernelCall, view } from './heap';

/**
 * One Adam step of a parameter in one pass; composed of tfjs kernels it is a dozen calls, and a small model has dozens
 * of parameters.
 */
export function registerAdam(): void {
  addKernel('MedalignAdam', adam);
}

function adam({ inputs, attrs, backend }: KernelCall): tf.TensorInfo[] {
  const { weight, gradient, mean, square } = inputs as Record<'weight' | 'gradient' | 'mean' | 'square', tf.TensorInfo>;
  const { beta1, beta2, epsilon, stepSize, penalty, shrink } = attrs as Record<string, number>;
  const outputs = [weight, mean, square].map(({ shape }) => allocate(backend, shape));
  // views come after all allocations: growing the memory detaches them
  const all = [weight, gradient, mean, square, ...outputs].map((tensor) => view(backend, tensor));
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
