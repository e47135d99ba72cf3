import { random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { useBackend } from '../index';
import { tolerances } from './tolerances';

const x = () => random(1).tensor<tf.Rank.R4>([2, 5, 4, 6]);
const y = () => random(2).tensor<tf.Rank.R4>([2, 5, 4, 6]);
const flat = () => tf.reshape(x(), [8, 30]) as tf.Tensor2D;
const positive = () => tf.add(tf.abs(x()), 0.1);
const withNaN = () => tf.sqrt(x());
const index = () => tf.tensor1d([3, 0, 3], 'int32');

const operations: Record<keyof typeof tolerances, () => tf.Tensor> = {
  exp: () => tf.exp(x()),
  expm1: () => tf.expm1(x()),
  log: () => tf.log(positive()),
  log1p: () => tf.log1p(positive()),
  sqrt: () => tf.sqrt(positive()),
  rsqrt: () => tf.rsqrt(positive()),
  square: () => tf.square(x()),
  reciprocal: () => tf.reciprocal(positive()),
  pow: () => tf.pow(positive(), y()),
  sigmoid: () => tf.sigmoid(x()),
  tanh: () => tf.tanh(x()),
  erf: () => tf.erf(x()),
  softplus: () => tf.softplus(tf.mul(x(), 20)),
  relu: () => tf.relu(x()),
  elu: () => tf.elu(x()),
  sign: () => tf.sign(x()),
  floor: () => tf.floor(x()),
  mod: () => tf.mod(x(), positive()),
  atan2: () => tf.atan2(x(), y()),
  isNaN: () => tf.isNaN(tf.div(x(), tf.zerosLike(x()))),
  add: () => tf.add(x(), tf.slice(y(), [0, 0, 0, 0], [1, 1, 4, 6])),
  div: () => tf.div(x(), positive()),
  maximum: () => tf.maximum(x(), y()),
  maximumOfNumber: () => tf.maximum(0.5, withNaN()),
  minimum: () => tf.minimum(withNaN(), y()),
  minimumBroadcast: () => tf.minimum(x(), tf.slice(y(), [0, 0, 0, 0], [1, 1, 4, 6])),
  maximumRows: () => tf.maximum(tf.sqrt(x()), tf.slice(y(), [0, 0, 0, 0], [2, 1, 1, 6])),
  greaterRows: () => tf.greater(tf.slice(x(), [0, 0, 0, 0], [2, 1, 4, 6]), tf.slice(y(), [0, 0, 0, 0], [1, 5, 1, 6])),
  equalLowerRank: () => tf.equal(tf.range(0, 6, 1, 'int32'), tf.tensor2d([[3], [9]], [2, 1], 'int32')),
  lessOuter: () => tf.less(tf.slice(x(), [0, 0, 0, 0], [2, 5, 4, 1]), tf.slice(y(), [0, 0, 0, 0], [1, 1, 1, 6])),
  logicalOuter: () => tf.logicalAnd(tf.reshape(tf.greater(x(), 0), [240, 1]), tf.reshape(tf.greater(y(), 0), [1, 240])),
  powRows: () => tf.pow(positive(), tf.slice(y(), [0, 0, 0, 0], [2, 1, 4, 1])),
  clip: () => tf.clipByValue(x(), -0.5, 0.5),
  clipOfNaN: () => tf.clipByValue(withNaN(), 0.5, 1),
  where: () => tf.where(tf.greater(x(), y()), x(), y()),
  logical: () => tf.logicalOr(tf.logicalNot(tf.greater(x(), 0)), tf.lessEqual(y(), 0)),
  anyAll: () => tf.concat([tf.any(tf.greater(x(), 1), 3), tf.all(tf.greater(x(), -1), 3)], 0),
  sumAll: () => tf.sum(x()),
  sumLeading: () => tf.sum(x(), [0, 1, 2]),
  sumLeadingKept: () => tf.sum(x(), [1, 0], true),
  sumLast: () => tf.sum(x(), -1),
  sumMiddle: () => tf.sum(x(), [1, 2], true),
  meanLeading: () => tf.mean(x(), [0, 1]),
  meanMiddle: () => tf.mean(x(), [1, 2], true),
  mean: () => tf.mean(x(), [0, 2]),
  max: () => tf.max(x(), 1),
  argMax: () => tf.argMax(x(), 3),
  prod: () => tf.prod(x(), 3),
  cumsum: () => tf.cumsum(x(), 1),
  softmax: () => tf.softmax(tf.mul(x(), 10)),
  logSoftmax: () => tf.logSoftmax(tf.mul(x(), 10)),
  logSumExp: () => tf.logSumExp(tf.mul(x(), 10), 2),
  batchNorm: () =>
    tf.batchNorm(x(), tf.mean(x(), [0, 1, 2]) as tf.Tensor1D, tf.mean(tf.square(y()), [0, 1, 2]) as tf.Tensor1D),
  conv2d: () => tf.conv2d(x(), random(3).tensor<tf.Rank.R4>([3, 3, 6, 7]), [2, 1], 'same'),
  conv2dDilated: () => tf.conv2d(x(), random(3).tensor<tf.Rank.R4>([2, 2, 6, 7]), 1, 'valid', 'NHWC', 2),
  depthwise: () => tf.depthwiseConv2d(x(), random(3).tensor<tf.Rank.R4>([3, 3, 6, 1]), 1, 'same'),
  depthwiseGradient: () =>
    tf.grad((w) => tf.sum(tf.square(tf.depthwiseConv2d(x(), w as tf.Tensor4D, 1, 'same'))))(
      random(3).tensor<tf.Rank.R4>([3, 3, 6, 1]),
    ),
  maxPool: () => tf.maxPool(x(), 3, 2, 'same'),
  maxPoolGradient: () => tf.grad((a) => tf.sum(tf.square(tf.maxPool(a as tf.Tensor4D, 3, 2, 'same'))))(x()),
  avgPool: () => tf.avgPool(x(), 3, 2, 'same'),
  resizeBilinear: () => tf.image.resizeBilinear(x(), [9, 3]),
  matMul: () => tf.matMul(flat(), flat(), false, true),
  einsum: () => tf.einsum('bhwc,bhwd->bcd', x(), y()),
  transpose: () => tf.transpose(x(), [3, 1, 0, 2]),
  tile: () => tf.tile(x(), [2, 1, 3, 1]),
  tileLast: () => tf.tile(tf.slice(x(), [0, 0, 0, 0], [2, 5, 4, 1]), [1, 2, 1, 5]),
  tileInteger: () => tf.tile(index(), [3]),
  gather: () => tf.gather(x(), index(), 1),
  gatherRows: () =>
    tf.gather(
      flat(),
      tf.tensor2d(
        [
          [0, 1],
          [7, 0],
        ],
        [2, 2],
        'int32',
      ),
    ),
  gatherBatched: () =>
    tf.gather(
      x(),
      tf.tensor2d(
        [
          [0, 1],
          [4, 0],
        ],
        [2, 2],
        'int32',
      ),
      1,
      1,
    ),
  segmentSum: () => tf.unsortedSegmentSum(flat(), tf.tensor1d([0, -1, 2, 0, 9, 2, 1, 1], 'int32'), 4),
  slice: () => tf.slice(x(), [0, 1, 1, 2], [2, 3, 2, 3]),
  stridedSlice: () => tf.stridedSlice(x(), [0, 1, 0, 5], [2, 5, 4, 0], [1, 2, 1, -2]),
  pad: () =>
    tf.pad(
      x(),
      [
        [0, 1],
        [2, 0],
        [1, 1],
        [0, 0],
      ],
      3,
    ),
  concat: () => tf.concat([x(), y()], 2),
  split: () => tf.split(x(), 3, 3)[1]!,
  reverse: () => tf.reverse(x(), [1, 3]),
  oneHot: () => tf.oneHot(index(), 5),
  topk: () => tf.topk(flat(), 4).values,
};

const values = (f: () => tf.Tensor) =>
  tf.tidy(() => {
    const tensor = f();
    return { shape: tensor.shape, dtype: tensor.dtype, data: Array.from(tensor.dataSync()) };
  });

it.each(Object.keys(operations) as (keyof typeof tolerances)[])('%s is the same on cpu and wasm', async (name) => {
  await useBackend('cpu');
  const expected = values(operations[name]);
  await useBackend('wasm');
  const before = tf.memory().numTensors;
  const actual = values(operations[name]);
  expect(tf.memory().numTensors).toBe(before);
  expect({ shape: actual.shape, dtype: actual.dtype }).toEqual({ shape: expected.shape, dtype: expected.dtype });
  const worst = actual.data.reduce((w, value, i) => {
    const wanted = expected.data[i]!;
    return Object.is(value, wanted) ? w : Math.max(w, Math.abs(value - wanted) / Math.max(1, Math.abs(wanted)));
  }, 0);
  expect(worst).toBeLessThanOrEqual(tolerances[name]);
});

it('gather refuses an index outside the table, and says which', async () => {
  await useBackend('wasm');
  expect(() => tf.gather(tf.tensor1d([1, 2]), tf.tensor1d([0, 2], 'int32'))).toThrow('index 2 at position 1');
});
