import * as tf from '@tensorflow/tfjs-core';
import { engine, free } from './engine';

/** Ops whose gradient reads no more than the shape of what it saves. */
const shapesOnly = new Set(
  (
    'Add Sub AddN Concat Pack Reshape ExpandDims Slice PadV2 Sum Mean Cumsum Tile ' +
    'Greater GreaterEqual Less LessEqual Equal NotEqual LogicalAnd LogicalOr LogicalNot'
  ).split(' '),
);

/** Ops that save two factors, each for the gradient of the other alone. */
const products = new Set(['Multiply', 'BatchMatMul', 'Conv2D']);

/** The tensors that depend on what is differentiated by; none outside of an outermost forward pass. */
let dependent: Set<number> | undefined;

const standIns = new WeakSet<tf.Tensor>();

/** A tensor of that shape without values; the engine does not count it. */
function shapeOf({ shape, dtype }: tf.Tensor): tf.Tensor {
  const standIn = new tf.Tensor(shape, dtype, {}, engine.nextTensorId());
  standIns.add(standIn);
  return standIn;
}

/** Runs the forward pass of an outermost gradient by `xs`, saving only what `saveLess` allows. */
export function savingFor<T>(xs: tf.Tensor[], f: () => T): T {
  dependent = new Set(xs.map(({ id }) => id));
  try {
    return f();
  } finally {
    dependent = undefined;
  }
}

/** Inside of a gradient's gradient everything is needed. */
const sources = () => (engine.state.gradientDepth === 1 ? dependent : undefined);

let done = false;

/**
 * Makes ops save less for their gradient. tfjs-core saves whole tensors where their shape would do (an addition, a sum),
 * both factors of a product when only one of them has a gradient, and for ops that no gradient reaches (a frozen encoder);
 * and each saving is a kernel call with a line on the tape, where a second reference does.
 */
export function saveLess(): void {
  if (done) return;
  done = true;
  const [clone, all, add] = [engine.clone, engine.getTensorsForGradient, engine.addTapeNode].map((method) =>
    (method as (...args: unknown[]) => unknown).bind(engine),
  ) as [typeof engine.clone, typeof engine.getTensorsForGradient, typeof engine.addTapeNode];

  engine.clone = (x) => {
    if (standIns.has(x)) return x;
    const backend = engine.state.tensorInfo.get(x.dataId)?.backend;
    if (engine.state.gradientDepth !== 1 || !backend || x.dtype === 'complex64' || x.dtype === 'string') {
      return clone(x);
    }
    backend.incRef(x.dataId);
    return engine.makeTensorFromTensorInfo({ dataId: x.dataId, shape: x.shape, dtype: x.dtype }, backend);
  };

  engine.getTensorsForGradient = (kernel, inputs, outputs) => {
    const known = sources();
    if (!known) return all(kernel, inputs, outputs);
    if (!reaches(known, inputs)) return [];
    const tensors = all(kernel, inputs, outputs);
    if (shapesOnly.has(kernel)) return tensors.map(shapeOf);
    if (!products.has(kernel)) return tensors;
    const [a, b] = tensors as [tf.Tensor, tf.Tensor];
    return [known.has(b.id) ? a : shapeOf(a), known.has(a.id) ? b : shapeOf(b)];
  };

  engine.addTapeNode = (kernel, inputs, outputs, gradient, saved, attributes) => {
    const reached = !dependent || reaches(dependent, inputs);
    if (!reached && sources()) return free(saved);
    if (reached) for (const { id } of outputs) dependent?.add(id);
    add(kernel, inputs, outputs, gradient, saved, attributes);
  };
}

/** Whether one of the inputs depends on a source. Optional ones may be missing. */
function reaches(known: Set<number>, inputs: Record<string, tf.Tensor | null | undefined>): boolean {
  for (const name in inputs) if (inputs[name] && known.has(inputs[name].id)) return true;
  return false;
}
