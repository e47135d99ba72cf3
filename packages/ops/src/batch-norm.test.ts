import { checkGradient, expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { batchNormInference, batchNormTraining } from './batch-norm';

const weigh = (x: tf.Tensor) => tf.sum(tf.mul(x, random(99).tensor(x.shape))) as tf.Scalar;

onEveryEngine('batchNorm', () => {
  it('normalises every channel and returns the unbiased variance', () => {
    const x = random(1).tensor([3, 4, 2, 5], 2);
    const [scale, offset] = [random(2).tensor([5]), random(3).tensor([5])];
    const { output, mean, variance } = batchNormTraining(x, scale, offset);
    const values = x.dataSync();
    const expected = new Float32Array(values.length);
    for (let c = 0; c < 5; c++) {
      const channel = Array.from(values).filter((_, i) => i % 5 === c);
      const m = channel.reduce((a, b) => a + b) / 24;
      const squares = channel.reduce((a, b) => a + (b - m) ** 2, 0);
      expect(mean.dataSync()[c]).toBeCloseTo(m, 5);
      expect(variance.dataSync()[c]).toBeCloseTo(squares / 23, 4);
      channel.forEach((v, i) => {
        expected[i * 5 + c] = ((v - m) / Math.sqrt(squares / 24 + 1e-5)) * scale.dataSync()[c]! + offset.dataSync()[c]!;
      });
    }
    expectClose(output, expected, 1e-5);
  });

  it('has the gradient of finite differences', () => {
    const r = random(4);
    const inputs = [r.tensor([2, 2, 2, 3]), r.tensor([3]), r.tensor([3])];
    checkGradient((x, s, o) => weigh(batchNormTraining(x!, s!, o!).output), inputs);
    const mean = r.tensor([3]);
    const variance = tf.tensor1d([0.5, 1, 2]);
    checkGradient((x, s, o) => weigh(batchNormInference(x!, s!, o!, { mean, variance })), inputs);
  });

  it('keeps its precision over many positions far from 0', () => {
    const x = tf.add(random(5).tensor([2 ** 15, 2]), tf.tensor1d([100, -30]));
    const { mean, variance } = batchNormTraining(x, tf.ones([2]), tf.zeros([2]));
    const values = x.dataSync();
    [0, 1].forEach((c) => {
      const channel = Array.from(values).filter((_, i) => i % 2 === c);
      const m = channel.reduce((a, b) => a + b) / channel.length;
      expectClose(mean.dataSync()[c]!, m, 1e-6);
      expectClose(variance.dataSync()[c]!, channel.reduce((a, b) => a + (b - m) ** 2, 0) / (channel.length - 1), 1e-5);
    });
  });

  it('says that one value per channel cannot be normalised', () => {
    expect(() => batchNormTraining(tf.ones([1, 3]), tf.ones([3]), tf.zeros([3]))).toThrow(/more than one value/);
    expect(() => batchNormTraining(tf.ones([4, 2]), tf.ones([3]), tf.zeros([3]))).toThrow(/x: expected shape \[…, 3\]/);
  });

  it('leaks nothing', () => {
    const x = random(6).tensor([4, 3]);
    const one = tf.ones([3]);
    expectNoLeak(() => tf.tidy(() => batchNormTraining(x, one, one).output), [x, one]);
    expectNoLeak(() => tf.tidy(() => tf.grad((v) => weigh(batchNormTraining(v, one, one).output))(x)), [x, one]);
    expectNoLeak(() => ({ ...batchNormTraining(x, one, one) }), [x, one]);
  });
});
