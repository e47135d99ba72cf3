import { expectClose, expectNoLeak, onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';

onEveryEngine('what gradients save', () => {
  const cube = (x: tf.Tensor) => tf.mul(tf.mul(x, x), x);

  it('is saved without a kernel call', async () => {
    const x = tf.tensor1d([1, 2]);
    const { kernelNames } = await tf.profile(() => tf.grad(cube)(x));
    expect(kernelNames).toContain('Multiply');
    expect(kernelNames).not.toContain('Identity');
  });

  it('serves the gradient of a gradient: d²x³ = 6x, d³x³ = 6', () => {
    const x = tf.tensor1d([1, -2]);
    const summed = (f: (x: tf.Tensor) => tf.Tensor) => (y: tf.Tensor) => tf.sum(tf.grad(f)(y)) as tf.Tensor;
    expectClose(tf.grad(summed(cube))(x), [6, -12]);
    expectClose(tf.grad(summed(summed(cube)))(x), [6, 6]);
  });

  it('outlives what the function disposes', () => {
    const square = (x: tf.Tensor) => {
      const copy = tf.add(x, 1);
      const y = tf.square(copy);
      copy.dispose();
      return y;
    };
    expectClose(tf.grad(square)(tf.tensor1d([1, 2])), [4, 6]);
  });

  it('is freed', () => {
    const x = tf.tensor1d([1, 2]);
    expectNoLeak(() => tf.grad(cube)(x), [x]);
  });
});
