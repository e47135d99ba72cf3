import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { checkGradient, expectClose, expectNoLeak, onEveryEngine, random } from './index';

onEveryEngine('testing tools', (engine) => {
  it('runs on the engine it names', () => expect(tf.getBackend()).toBe(engine));

  it('accepts a right gradient and refuses a wrong one', () => {
    const x = random(1).tensor([3, 2]);
    checkGradient((a) => tf.sum(tf.mul(a, tf.mul(a, a))), [x]);
    const wrong = tf.customGrad((a) => ({
      value: tf.sum(tf.mul(a as tf.Tensor, a as tf.Tensor)),
      gradFunc: (dy) => tf.mul(dy, a as tf.Tensor),
    }));
    expect(() => checkGradient((a) => wrong(a) as tf.Scalar, [x])).toThrow();
  });

  it('sees a leak, a NaN and a difference', () => {
    expect(() =>
      expectNoLeak(() => {
        tf.scalar(1);
        return tf.scalar(2);
      }),
    ).toThrow();
    expectNoLeak(() => tf.tidy(() => tf.add(tf.scalar(1), tf.scalar(2))));
    expect(() => expectClose([Number.NaN], [1])).toThrow();
    expect(() => expectClose([1.001], [1])).toThrow();
  });
});
