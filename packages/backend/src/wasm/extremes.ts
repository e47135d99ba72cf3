import type * as tf from '@tensorflow/tfjs-core';
import { allocate, type KernelCall, replaceKernel, view } from './heap';

/**
 * Maximum, Minimum and ClipByValue in which NaN wins, as on every other engine: tfjs-wasm's drop a NaN of the second
 * operand, or clip it to the lower bound, which hides a diverged loss behind a clamp. Equal shapes or one number; as fast as the kernels they replace.
 */
export function registerExtremes(): void {
  replaceKernel('Maximum', (call, original) => simple(call, maximum) ?? original(call));
  replaceKernel('Minimum', (call, original) => simple(call, minimum) ?? original(call));
  replaceKernel('ClipByValue', (call, original) => clip(call) ?? original(call));
}

function clip({ inputs, attrs, backend }: KernelCall): tf.TensorInfo | undefined {
  const x = inputs.x!;
  const { clipValueMin: low, clipValueMax: high } = attrs as { clipValueMin: number; clipValueMax: number };
  if (x.dtype !== 'float32') return undefined;
  const out = allocate(backend, x.shape);
  const [from, to] = [view(backend, x), view(backend, out)];
  for (let i = 0; i < to.length; i++) to[i] = Math.min(Math.max(from[i]!, low), high);
  return out;
}

type Loop = (a: Float32Array, b: Float32Array, out: Float32Array) => void;

function simple({ inputs, backend }: KernelCall, loop: Loop): tf.TensorInfo | undefined {
  const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
  const same = a.shape.length === b.shape.length && a.shape.every((size, axis) => size === b.shape[axis]);
  const [many, one] = a.shape.length > 0 ? [a, b] : [b, a];
  if (a.dtype !== 'float32' || b.dtype !== 'float32' || !(same || one.shape.length === 0)) return undefined;
  const out = allocate(backend, many.shape);
  loop(view(backend, many), view(backend, one), view(backend, out));
  return out;
}

// Two loops, not one with a function inside, so that each compiles to a bare instruction.
const maximum: Loop = (a, b, out) => {
  const step = b.length === 1 ? 0 : 1;
  for (let i = 0, j = 0; i < out.length; i++, j += step) out[i] = Math.max(a[i]!, b[j]!);
};

const minimum: Loop = (a, b, out) => {
  const step = b.length === 1 ? 0 : 1;
  for (let i = 0, j = 0; i < out.length; i++, j += step) out[i] = Math.min(a[i]!, b[j]!);
};
