import { expectNoLeak, onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { dropout } from './dropout';
import { seededNormal, seededUniform } from './random';

onEveryEngine('dropout', () => {
  it('is the same bits for the same seed and step, and other ones otherwise', () => {
    const run = (seed: number, step: number) =>
      Array.from(dropout(tf.ones([64]), { rate: 0.3, seed, step }).dataSync());
    expect(run(1, 2)).toEqual(run(1, 2));
    expect(run(1, 2)).not.toEqual(run(1, 3));
    expect(run(1, 2)).not.toEqual(run(2, 1));
  });

  it('keeps the literal pattern of seed 1, so that every engine can be held to it', () => {
    expect(Array.from(dropout(tf.ones([8]), { rate: 0.5, seed: 1 }).dataSync())).toEqual([0, 0, 2, 2, 0, 0, 2, 0]);
  });

  it('keeps 1 − rate of the values and the mean', () => {
    const y = dropout(tf.ones([20_000]), { rate: 0.2, seed: 3 }).dataSync();
    expect(y.filter((v) => v === 0).length / 20_000).toBeCloseTo(0.2, 2);
    expect(new Set(y)).toEqual(new Set([0, Math.fround(1.25)]));
  });

  it('has the mask as its gradient', () => {
    const x = tf.ones([32]);
    const dx = tf.grad((v) => tf.sum(dropout(v, { rate: 0.5, seed: 9 })))(x);
    expect(Array.from(dx.dataSync())).toEqual(Array.from(dropout(x, { rate: 0.5, seed: 9 }).dataSync()));
  });

  it('is the identity at rate 0 and refuses rate 1', () => {
    const x = tf.ones([2]);
    expectNoLeak(() => dropout(x, { rate: 0, seed: 1 }), [x]);
    expect(() => dropout(x, { rate: 1, seed: 1 })).toThrow(/rate/);
    expect(() => dropout(x, { rate: 0.5, seed: 1.5 })).toThrow(/seed/);
  });
});

it('seeded streams have the moments they promise', () => {
  const moments = (values: Float32Array) => {
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return [mean, values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length];
  };
  const [uniformMean, uniformVariance] = moments(seededUniform(50_000, { seed: 5 }));
  expect(uniformMean).toBeCloseTo(0.5, 2);
  expect(uniformVariance).toBeCloseTo(1 / 12, 2);
  const [mean, variance] = moments(seededNormal(50_000, { seed: 5, stddev: 2 }));
  expect(mean).toBeCloseTo(0, 1);
  expect(Math.sqrt(variance!)).toBeCloseTo(2, 1);
  // Neighbouring values of one stream, and the same place of two streams, are not correlated.
  const a = seededNormal(50_000, { seed: 5, step: 1 });
  const b = seededNormal(50_000, { seed: 5, step: 2 });
  expect(a.reduce((sum, value, i) => sum + value * b[i]!, 0) / 50_000).toBeCloseTo(0, 1);
  expect(a.reduce((sum, value, i) => sum + value * (a[i + 1] ?? 0), 0) / 50_000).toBeCloseTo(0, 1);
});
