import * as tf from '@tensorflow/tfjs-core';
import type { Define, Kernels } from './types';

const REDUCTIONS = ['Sum', 'Mean', 'Max', 'Min', 'Prod', 'All', 'Any'];

const none = ({ shape }: tf.TensorInfo) => tf.util.sizeFromShape(shape) === 0;

/** Sums, extremes, running sums, order. */
export const reductions: Define = (call) => {
  const kernels: Kernels = {};
  for (const name of REDUCTIONS) {
    const op = call.op(name);
    kernels[name] = ({ inputs: { x }, attrs: { axis, reductionIndices = axis, keepDims } }) => {
      if (none(x!)) return undefined;
      const axes = tf.util.parseAxisParam(reductionIndices ?? x!.shape.map((_, i) => i), x!.shape);
      return call.begin().tensor(x!).ints(axes).flag(!!keepDims).one(op);
    };
  }
  for (const name of ['ArgMax', 'ArgMin']) {
    const op = call.op(name);
    kernels[name] = ({ inputs: { x }, attrs: { axis } }) => {
      if (none(x!)) return undefined;
      const [only] = tf.util.parseAxisParam(axis, x!.shape);
      return call.begin().tensor(x!).number(only!).one(op);
    };
  }
  for (const name of ['Cumsum', 'Cumprod']) {
    const op = call.op(name);
    kernels[name] = ({ inputs: { x }, attrs: { axis, exclusive, reverse } }) => {
      if (none(x!) || x!.shape.length === 0) return undefined;
      const [only] = tf.util.parseAxisParam(axis, x!.shape);
      return call.begin().tensor(x!).number(only!).flag(!!exclusive).flag(!!reverse).one(op);
    };
  }
  const topK = call.op('TopK');
  const softmax = call.op('Softmax');
  return {
    ...kernels,
    TopK: ({ inputs: { x }, attrs: { k } }) => call.begin().tensor(x!).number(k).run(topK),
    Softmax: ({ inputs: { logits }, attrs: { dim } }) =>
      call
        .begin()
        .tensor(logits!)
        .number(dim < 0 ? dim + logits!.shape.length : dim)
        .one(softmax),
  };
};
