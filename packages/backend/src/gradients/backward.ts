import * as tf from '@tensorflow/tfjs-core';
import { engine, free, type TapeNode } from './engine';
import { savingFor } from './saved';

let done = false;

/**
 * Makes a backward pass free what it has used: tfjs-core keeps everything that the forward pass saved, and the gradient of
 * every intermediate result, until the last gradient is there. The numbers are the same; the peak of memory is at the end
 * of the forward pass. A function that throws leaves nothing behind. A gradient inside of a gradient stays with tfjs-core:
 * the outer one still needs everything.
 */
export function freeWhileGoingBack(): void {
  if (done) return;
  done = true;
  const nested = engine.gradients.bind(engine);
  engine.gradients = (f, xs, dy, allowNoGradients = false) => {
    if (engine.state.gradientDepth > 0 || xs.length === 0 || (dy && dy.dtype !== 'float32')) {
      return nested(f, xs, dy, allowNoGradients);
    }
    let tape: TapeNode[] = [];
    const start = () => {
      engine.startTape();
      tape = engine.state.activeTape!;
    };
    try {
      const forward = () => savingFor(xs, () => engine.tidy('forward', f));
      const y = engine.scopedRun(start, () => engine.endTape(), forward);
      if (!(y instanceof tf.Tensor)) throw new Error('The result y returned by f() must be a tensor.');
      const path = fromTo(tape, xs, y);
      if (!allowNoGradients && path.length === 0) {
        throw new Error(
          'Cannot compute gradient of y=f(x) with respect to x. Make sure that the f you passed encloses all operations ' +
            'that lead from x to y.',
        );
      }
      return engine.tidy('backward', () => ({ value: y, grads: backward(path, xs, y, dy) }));
    } finally {
      engine.state.activeTape = null;
      for (const node of tape) free(node.saved);
    }
  };
}

interface Step {
  node: TapeNode;
  /** The inputs that depend on the sources, by name. */
  inputs: [string, tf.Tensor][];
}

/** The ops on a path from `xs` to `y`, last one first. What other ops saved is freed. */
function fromTo(tape: TapeNode[], xs: tf.Tensor[], y: tf.Tensor): Step[] {
  const fromXs = new Set(xs.map(({ id }) => id));
  const steps = tape.map((node): Step => {
    const inputs = Object.entries(node.inputs).filter(([, input]) => input && fromXs.has(input.id));
    if (inputs.length) for (const output of node.outputs) fromXs.add(output.id);
    return { node, inputs };
  });
  const toY = new Set([y.id]);
  return steps.reverse().filter(({ node, inputs }) => {
    const leads = inputs.length > 0 && node.outputs.some(({ id }) => toY.has(id));
    if (leads) for (const [, input] of inputs) toY.add(input.id);
    else free(node.saved);
    return leads;
  });
}

/** The gradients of `y` by `xs`: back along the path, freeing what no earlier op needs. */
function backward(path: Step[], xs: tf.Tensor[], y: tf.Tensor, dy?: tf.Tensor): (tf.Tensor | undefined)[] {
  const wanted = new Set(xs.map(({ id }) => id));
  const gradients = new Map([[y.id, dy ? tf.clone(dy) : tf.ones(y.shape)]]);
  for (const { node, inputs } of path) {
    const dys = node.outputs.map(({ id }) => gradients.get(id) ?? null);
    const dxs = engine.tidy('op', () => inputGradients(node, inputs, dys));
    free(node.saved);
    node.outputs.forEach(({ id }, i) => {
      if (wanted.has(id)) return;
      dys[i]?.dispose();
      gradients.delete(id);
    });
    inputs.forEach(([, { id }], i) => {
      const [before, dx] = [gradients.get(id), dxs[i]!];
      gradients.set(id, before ? tf.add(before, dx) : dx);
      if (before) free([before, dx]);
    });
  }
  return xs.map(({ id }) => gradients.get(id));
}

/** The gradients of one op by its inputs: tensors that nobody else holds. */
function inputGradients(node: TapeNode, inputs: [string, tf.Tensor][], dys: (tf.Tensor | null)[]): tf.Tensor[] {
  const { kernelName, gradient } = node;
  if (!gradient) throw new Error(`Cannot compute gradient: gradient function not found for ${kernelName}.`);
  const first = engine.nextTensorId();
  const byName = gradient(dys);
  const own = new Set<tf.Tensor>();
  return inputs.map(([name, input]) => {
    if (!(name in byName)) {
      throw new Error(
        `Cannot backprop through input ${name}. Available gradients found: ${Object.keys(byName).join(', ')}.`,
      );
    }
    const dx = engine.tidy('input', () => byName[name]!());
    const where = `Error in gradient for op ${kernelName}. The gradient of input '${name}'`;
    if (dx.dtype !== 'float32') throw new Error(`${where} must have 'float32' dtype, but has '${dx.dtype}'`);
    if (!tf.util.arraysEqual(dx.shape, input.shape)) {
      throw new Error(`${where} has shape '${dx.shape}', which does not match the shape of the input '${input.shape}'`);
    }
    // An op may return its dy, what it saved, or one tensor for two inputs.
    const mine = dx.id >= first && !dx.kept && !own.has(dx) ? dx : tf.clone(dx);
    own.add(mine);
    return mine;
  });
}
