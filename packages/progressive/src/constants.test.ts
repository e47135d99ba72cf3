import { expectClose, onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { constant, keep } from './constants';

onEveryEngine('constants', () => {
  it('cuts the gradient, also of what has none', () => {
    const x = tf.tensor1d([1, -2]);
    const gradient = tf.grad((v) => {
      const positive = constant(() => tf.cast(tf.greater(v, 0), 'float32'));
      return tf.sum(
        tf.mul(
          v,
          tf.add(
            positive,
            tf.notEqual(
              constant(() => tf.clone(v)),
              0,
            ),
          ),
        ),
      );
    })(x);
    expectClose(gradient, [2, 1]);
  });

  it('records again afterwards, after an error too', () => {
    const x = tf.tensor1d([3]);
    const gradient = tf.grad((v) => {
      expect(() =>
        constant(() => {
          throw new Error('inside');
        }),
      ).toThrow('inside');
      return tf.square(v);
    })(x);
    expectClose(gradient, [6]);
  });

  it('keeps rows of any rank, without reading the others', () => {
    const x = tf.tensor3d([
      [
        [1, 2],
        [Number.NaN, 4],
      ],
    ]);
    expectClose(keep(x, tf.tensor2d([[1, 0]])), [1, 2, 0, 0]);
    expect(keep(x, undefined)).toBe(x);
  });
});
