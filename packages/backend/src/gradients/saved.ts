import * as tf from '@tensorflow/tfjs-core';

/** The parts of tfjs-core's engine that its own types keep private. */
interface Engine {
  state: { gradientDepth: number; tensorInfo: WeakMap<tf.DataId, { backend: tf.KernelBackend }> };
  clone: (x: tf.Tensor) => tf.Tensor;
  makeTensorFromTensorInfo: (info: tf.TensorInfo, backend: tf.KernelBackend) => tf.Tensor;
}

const done = new WeakSet<Engine>();

/**
 * Makes what an op saves for its gradient a second reference to the same values. tfjs-core runs a kernel for each and
 * writes it on the tape, which only the gradient of a gradient reads: inside one the engine's own way stays.
 */
export function saveByReference(): void {
  const engine = tf.engine() as unknown as Engine;
  if (done.has(engine)) return;
  done.add(engine);
  const clone = engine.clone.bind(engine);
  engine.clone = (x) => {
    const backend = engine.state.tensorInfo.get(x.dataId)?.backend;
    if (engine.state.gradientDepth !== 1 || !backend || x.dtype === 'complex64' || x.dtype === 'string') {
      return clone(x);
    }
    backend.incRef(x.dataId);
    return engine.makeTensorFromTensorInfo({ dataId: x.dataId, shape: x.shape, dtype: x.dtype }, backend);
  };
}
