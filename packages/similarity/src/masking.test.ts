import { checkGradient, expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { ShapeError } from './checks';
import { maskedSoftmax } from './masking';

onEveryEngine('maskedSoftmax', () => {
  const mask = () =>
    tf.tensor2d([
      [1, 0, 1],
      [0, 0, 0],
      [1, 1, 1],
    ]);

  it('is the softmax of the valid entries, 0 elsewhere and in a row without any', () => {
    const logits = tf.tensor2d([
      [0, Number.NaN, Math.log(3)],
      [5, Number.POSITIVE_INFINITY, 1],
      [1e4, -1e4, 1e4],
    ]);
    expectClose(maskedSoftmax(logits, mask()), [0.25, 0, 0.75, 0, 0, 0, 0.5, 0, 0.5]);
    expectClose(maskedSoftmax(logits, tf.cast(mask(), 'bool')), [0.25, 0, 0.75, 0, 0, 0, 0.5, 0, 0.5]);
  });

  it('agrees with finite differences; an invalid entry has gradient 0', () => {
    const weights = random(1).tensor([3, 3]);
    const f = (x: tf.Tensor) => tf.sum(tf.mul(maskedSoftmax(x, mask()), weights)) as tf.Scalar;
    const logits = random(2).tensor([3, 3]);
    checkGradient(f, [logits]);
    const gradient = tf.grad(f)(logits).dataSync();
    expect([1, 3, 4, 5].map((i) => gradient[i])).toEqual([0, 0, 0, 0]);
  });

  it('broadcasts its mask, leaks nothing, and refuses one that does not fit', () => {
    const logits = tf.zeros([3, 3]);
    const first = tf.tensor2d([[1, 1, 0]]);
    expectClose(maskedSoftmax(logits, first), [0.5, 0.5, 0, 0.5, 0.5, 0, 0.5, 0.5, 0]);
    expectNoLeak(() => maskedSoftmax(logits, first), [logits, first]);
    expect(() => maskedSoftmax(logits, tf.ones([2, 3]))).toThrow(ShapeError);
  });
});
