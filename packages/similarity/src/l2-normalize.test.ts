import { checkGradient, expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { OptionError } from './checks';
import { l2Normalize } from './l2-normalize';

onEveryEngine('l2Normalize', () => {
  it('gives unit vectors along the axis asked for', () => {
    const x = tf.tensor2d([
      [3, 4],
      [0, -2],
    ]);
    expectClose(l2Normalize(x), [0.6, 0.8, 0, -1]);
    expectClose(l2Normalize(x, { axis: 0 }), [1, 0.894427, 0, -0.447214]);
  });

  it('has a finite value and gradient at 0: that of v/ε', () => {
    const zero = tf.zeros([1, 3]) as tf.Tensor2D;
    expectClose(l2Normalize(zero), [0, 0, 0]);
    const gradient = (epsilon?: number) => tf.grad((x) => tf.sum(l2Normalize(x, { epsilon })))(zero);
    expectClose(gradient(0.5), [2, 2, 2]);
    expect([...gradient().dataSync()].every(Number.isFinite)).toBe(true);
  });

  it('has no gradient at 0 when asked to, and its own everywhere else', () => {
    const x = tf.tensor2d([
      [0, 0],
      [3, 4],
    ]);
    const gradient = (flatAtZero: boolean) =>
      tf
        .grad((v) => tf.sum(l2Normalize(v, { flatAtZero })))(x)
        .arraySync();
    const [flat, steep] = [gradient(true), gradient(false)] as number[][][];
    expect(flat![0]).toEqual([0, 0]);
    expectClose(steep![0]!, [1e12, 1e12]);
    expectClose(flat![1]!, [0.032, -0.024]);
    expect(steep![1]).toEqual(flat![1]);
  });

  it('agrees with finite differences along another axis, and hands NaN on', () => {
    const weights = random(1).tensor([3, 2, 2]);
    const f = (x: tf.Tensor) => tf.sum(tf.mul(l2Normalize(x, { axis: 1 }), weights)) as tf.Scalar;
    checkGradient(f, [random(2).tensor([3, 2, 2])], { step: 3e-3 });
    const x = tf.tensor2d([[1, Number.NaN]]);
    expect([...l2Normalize(x).dataSync()].every(Number.isNaN)).toBe(true);
    expect(
      tf
        .grad((v) => tf.sum(l2Normalize(v)))(x)
        .dataSync()[0],
    ).toBeNaN();
  });

  it('keeps the direction of tiny vectors', () => {
    expectClose(l2Normalize(tf.tensor1d([3e-10, 4e-10])), [0.6, 0.8]);
  });

  it('agrees with finite differences, inside and outside of ε', () => {
    const weights = random(1).tensor([2, 3]);
    const f = (x: tf.Tensor) => tf.sum(tf.mul(l2Normalize(x), weights)) as tf.Scalar;
    checkGradient(f, [random(2).tensor([2, 3])], { step: 3e-3 });
    const small = (x: tf.Tensor) => tf.sum(tf.mul(l2Normalize(x, { epsilon: 10 }), weights)) as tf.Scalar;
    checkGradient(small, [random(2).tensor([2, 3])]);
  });

  it('leaks nothing and refuses an ε whose square is not a number', () => {
    const x = random(1).tensor([2, 3]);
    expectNoLeak(() => l2Normalize(x), [x]);
    expect(() => l2Normalize(x, { epsilon: 0 })).toThrow(OptionError);
  });
});
