import { expectClose, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { useBackend } from '../index';

beforeAll(() => useBackend('wasm'));

it('the same data under another shape, as right operand of a second product', () => {
  tf.tidy(() => {
    const x = tf.tensor2d(
      Array.from({ length: 30 }, (_, i) => i),
      [6, 5],
    );
    expect(tf.matMul(tf.ones([1, 6]), x).arraySync()).toEqual([[75, 81, 87, 93, 99]]);
    const wide = tf.reshape(x, [3, 10]) as tf.Tensor2D;
    const sums = [[30, 33, 36, 39, 42, 45, 48, 51, 54, 57]];
    expect(tf.matMul(tf.ones([1, 3]), wide).arraySync()).toEqual(sums);
    expect(tf.fused.matMul({ a: tf.ones([1, 3]), b: wide }).arraySync()).toEqual(sums);
    expect(tf.matMul(tf.ones([1, 6]), x).arraySync()).toEqual([[75, 81, 87, 93, 99]]);
  });
});

it('leaves nothing behind, packed or copied', () => {
  const before = tf.engine().backend.numDataIds();
  tf.tidy(() => {
    const x = random(1).tensor<tf.Rank.R2>([6, 5]);
    for (const k of [6, 3, 10, 6]) tf.matMul(tf.ones([2, k]), tf.reshape(x, [k, 30 / k]) as tf.Tensor2D);
  });
  expect(tf.engine().backend.numDataIds()).toBe(before);
});

it('a filter used again under other shapes, strides and padding', async () => {
  const results = () =>
    tf.tidy(() => {
      const sample = random(5);
      const filter = sample.tensor([3, 3, 4, 2]);
      const [a, b, c] = [4, 2, 8].map((channels) => sample.tensor<tf.Rank.R4>([1, 7, 6, channels]));
      const as = (...shape: [number, number, number, number]) => tf.reshape(filter, shape) as tf.Tensor4D;
      return [
        tf.conv2d(a!, as(3, 3, 4, 2), 1, 'same'),
        tf.conv2d(a!, as(3, 3, 4, 2), 2, 'same'),
        tf.conv2d(a!, as(3, 3, 4, 2), [1, 2], 'valid'),
        tf.conv2d(a!, as(3, 3, 4, 2), 1, 1),
        tf.conv2d(a!, as(3, 3, 4, 2), 1, 'valid', 'NHWC', 2),
        tf.conv2d(b!, as(3, 3, 2, 4), 1, 'same'),
        tf.conv2d(c!, as(3, 3, 8, 1), 1, 'same'),
        tf.conv2d(c!, as(1, 9, 8, 1), 1, 'same'),
        tf.depthwiseConv2d(c!, as(3, 3, 8, 1), 1, 'same'),
        tf.depthwiseConv2d(c!, as(3, 3, 8, 1), 2, 'valid'),
        tf.depthwiseConv2d(a!, as(3, 3, 4, 2), 1, 'same'),
        tf.depthwiseConv2d(b!, as(3, 3, 2, 4), 1, 'same'),
      ].map((y) => y.dataSync().slice());
    });
  await useBackend('cpu');
  const expected = results();
  await useBackend('wasm');
  results().forEach((values, i) => {
    expectClose(values, expected[i]!, 1e-5);
  });
});
