import * as tf from '@tensorflow/tfjs-core';
import { type Gradient, sumTo } from './shared';

/** d(a − b)² = 2(a − b); tfjs-core forgets to sum what broadcasting copied, here and for maximum and minimum. */
const squaredDifference: Gradient = {
  kernelName: 'SquaredDifference',
  inputsToSave: ['a', 'b'],
  gradFunc: (dy, saved) => {
    const [a, b] = saved as [tf.Tensor, tf.Tensor];
    const twice = (from: tf.Tensor, other: tf.Tensor) => tf.mul(dy, tf.mul(2, tf.sub(from, other)));
    return { a: () => sumTo(twice(a, b), a.shape), b: () => sumTo(twice(b, a), b.shape) };
  },
};

type Compare = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;

/** dy goes to the operand that was taken; to a on ties, as in tfjs-core. */
const extreme = (kernelName: string, takesA: Compare, takesB: Compare): Gradient => ({
  kernelName,
  inputsToSave: ['a', 'b'],
  gradFunc: (dy, saved) => {
    const [a, b] = saved as [tf.Tensor, tf.Tensor];
    const masked = (mask: tf.Tensor) => tf.mul(dy, tf.cast(mask, 'float32'));
    return { a: () => sumTo(masked(takesA(a, b)), a.shape), b: () => sumTo(masked(takesB(a, b)), b.shape) };
  },
});

/** dy goes where its branch was taken and an exact zero elsewhere: tfjs-core multiplies by 0, which keeps NaN. */
const select: Gradient = {
  kernelName: 'Select',
  inputsToSave: ['condition'],
  gradFunc: (dy, saved) => {
    const condition = saved[0] as tf.Tensor<tf.Rank>;
    const fits = (): tf.Tensor =>
      condition.rank === dy.rank
        ? condition
        : tf.reshape(condition, [...condition.shape, ...dy.shape.slice(condition.rank).map(() => 1)]);
    const none = () => tf.fill(dy.shape, 0);
    return {
      condition: () => tf.fill(condition.shape, 0),
      t: () => tf.where(fits(), dy, none()),
      e: () => tf.where(fits(), none(), dy),
    };
  },
};

/** Comparisons are flat, so their gradient is zero, not missing: `where(greater(x, 0), …)` may contain a taped x. */
const flat = (kernelName: string, inputs: string[]): Gradient => ({
  kernelName,
  inputsToSave: inputs,
  gradFunc: (_, saved) => Object.fromEntries(inputs.map((input, i) => [input, () => tf.fill(saved[i]!.shape, 0)])),
});

/** Read from y, which the next op saves as well; tfjs-core keeps x for it, which nothing else needs. */
const relu: Gradient = {
  kernelName: 'Relu',
  outputsToSave: [true],
  gradFunc: (dy, [y]) => ({ x: () => tf.mul(dy, tf.step(y!)) }),
};

export const elementWise = [
  relu,
  squaredDifference,
  extreme('Maximum', tf.greaterEqual, tf.less),
  extreme('Minimum', tf.lessEqual, tf.greater),
  select,
  ...['Greater', 'GreaterEqual', 'Less', 'LessEqual', 'Equal', 'NotEqual', 'LogicalAnd', 'LogicalOr'].map((name) =>
    flat(name, ['a', 'b']),
  ),
  flat('LogicalNot', ['x']),
];
