import type * as tf from '@tensorflow/tfjs-core';
import type { TorchBackend } from '../backend';
import type { Call } from '../call';

/** A kernel's inputs by tfjs's names; AddN and Einsum have a list. */
export type Inputs = Record<string, tf.TensorInfo>;
// biome-ignore lint/suspicious/noExplicitAny: attributes have one type per kernel, and tfjs exports them loosely
export type Attributes = any;

export interface KernelCall {
  inputs: Inputs;
  attrs: Attributes;
  backend: TorchBackend;
}

/** A kernel on libtorch, or undefined where this call is one it does not know: then the cpu engine's kernel runs. */
export type TorchKernel = (call: KernelCall) => tf.TensorInfo | tf.TensorInfo[] | undefined;
export type Kernels = Record<string, TorchKernel>;
export type Define = (call: Call) => Kernels;
