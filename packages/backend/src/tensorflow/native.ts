import type * as tf from '@tensorflow/tfjs-core';
import { type Call, type Kernel, replaceKernel as replace } from '../kernels/registry';

interface Attribute {
  name: string;
  type: number;
  value: unknown;
}

/** What the kernels here use of tfjs-node's backend; every member is public there. */
export interface TensorflowBackend extends tf.KernelBackend {
  executeSingleOutput(name: string, attributes: Attribute[], inputs: tf.TensorInfo[]): tf.Tensor;
  isUsingGpuDevice: boolean;
  binding: { TF_Version: string } & Record<'TF_ATTR_INT' | 'TF_ATTR_STRING' | 'TF_ATTR_TYPE' | 'TF_FLOAT', number>;
}

export type TensorflowCall = Call<TensorflowBackend>;

export const replaceKernel = (
  name: string,
  replacement: (call: TensorflowCall, original: Kernel<TensorflowBackend>) => tf.TensorInfo | tf.TensorInfo[],
): void => replace('tensorflow', name, replacement);

/** Runs one of TensorFlow's own operations on float32 tensors; an attribute is a list of integers or a word. */
export function execute(
  backend: TensorflowBackend,
  name: string,
  inputs: tf.TensorInfo[],
  attributes: Record<string, number[] | string>,
): tf.Tensor {
  const { TF_ATTR_INT, TF_ATTR_STRING, TF_ATTR_TYPE, TF_FLOAT } = backend.binding;
  const list = Object.entries(attributes).map(([key, value]) => ({
    name: key,
    type: typeof value === 'string' ? TF_ATTR_STRING : TF_ATTR_INT,
    value,
  }));
  return backend.executeSingleOutput(name, [{ name: 'T', type: TF_ATTR_TYPE, value: TF_FLOAT }, ...list], inputs);
}
