import * as tf from '@tensorflow/tfjs-core';

/** One op on tfjs-core's tape. */
export interface TapeNode {
  kernelName: string;
  inputs: Record<string, tf.Tensor>;
  outputs: tf.Tensor[];
  saved: tf.Tensor[];
  gradient?: (dys: (tf.Tensor | null)[]) => Record<string, () => tf.Tensor>;
}

/** The parts of tfjs-core's engine that its own types keep private. */
export interface Engine {
  state: {
    gradientDepth: number;
    activeTape: TapeNode[] | null;
    tensorInfo: WeakMap<tf.DataId, { backend: tf.KernelBackend }>;
  };
  nextTensorId: () => number;
  startTape: () => void;
  endTape: () => void;
  scopedRun: <T>(start: () => void, end: () => void, f: () => T) => T;
  tidy: <T>(name: string, f: () => T) => T;
  clone: (x: tf.Tensor) => tf.Tensor;
  makeTensorFromTensorInfo: (info: tf.TensorInfo, backend: tf.KernelBackend) => tf.Tensor;
  getTensorsForGradient: (kernel: string, inputs: Record<string, tf.Tensor>, outputs: tf.Tensor[]) => tf.Tensor[];
  addTapeNode: (
    kernel: string,
    inputs: Record<string, tf.Tensor>,
    outputs: tf.Tensor[],
    gradient: unknown,
    saved: tf.Tensor[],
    attributes: unknown,
  ) => void;
  gradients: (
    f: () => tf.Tensor,
    xs: tf.Tensor[],
    dy?: tf.Tensor,
    allowNoGradients?: boolean,
  ) => { value: tf.Tensor; grads: (tf.Tensor | undefined)[] };
}

/** tfjs-core's engine, of which there is one. */
export const engine = tf.engine() as unknown as Engine;

export function free(tensors: readonly (tf.Tensor | null)[]): void {
  for (const tensor of tensors) tensor?.dispose();
}
