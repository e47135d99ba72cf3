import { expectClose, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { useBackend } from '../index';

const flags = [false, true];
const shapes: [name: string, outerA: number[], outerB: number[], m: number, k: number, n: number][] = [
  ['one matrix', [], [], 5, 7, 3],
  ['one row', [], [], 1, 7, 3],
  ['small batch', [4], [4], 5, 7, 3],
  ['two batch axes', [2, 3], [2, 3], 5, 7, 3],
  ['large matrices in a batch', [3], [3], 70, 64, 66],
  ['right matrix shared', [4], [1], 5, 7, 3],
  ['right matrix shared, rank 2', [4], [], 5, 7, 3],
  ['left matrix shared, large', [1], [3], 70, 64, 66],
  ['left matrix the largest', [3], [3], 70, 90, 8],
  ['left matrix the largest, right matrix shared', [2, 2], [1], 70, 90, 8],
  ['left matrix the largest, and shared', [1], [2], 170, 90, 8],
  ['a matrix times a vector in each batch', [3], [3], 71, 33, 1],
  ['a vector times a matrix in each batch', [2, 2], [2, 2], 1, 32, 19],
  ['a vector times a vector in each batch', [3], [3], 1, 5, 1],
  ['outer products in a batch', [3], [3], 7, 1, 9],
  ['batches broadcast against each other', [2, 1], [1, 3], 5, 7, 3],
];

describe.each(shapes)('matMul on wasm: %s', (_, outerA, outerB, m, k, n) => {
  it.each(flags.flatMap((a) => flags.map((b) => [a, b])))('transposeA %s, transposeB %s', async (ta, tb) => {
    const run = () => {
      const sample = random(3);
      const a = sample.tensor([...outerA, ...(ta ? [k, m] : [m, k])]);
      const b = sample.tensor([...outerB, ...(tb ? [n, k] : [k, n])]);
      return tf.matMul(a, b, ta, tb);
    };
    await useBackend('cpu');
    const expected = tf.tidy(() => run());
    const values = expected.dataSync();
    await useBackend('wasm');
    const before = tf.engine().backend.numDataIds();
    const { shape, actual } = tf.tidy(() => {
      const y = run();
      return { shape: y.shape, actual: y.dataSync().slice() };
    });
    expect(shape).toEqual(expected.shape);
    expectClose(actual, values, 1e-5);
    expect(tf.engine().backend.numDataIds()).toBe(before);
    expected.dispose();
  });
});

it.each(flags.flatMap((a) => flags.map((b) => [a, b])))(
  'fused matMul, transposeA %s, transposeB %s',
  async (ta, tb) => {
    const run = () => {
      const sample = random(3);
      const a = sample.tensor<tf.Rank.R2>(ta ? [7, 5] : [5, 7]);
      const b = sample.tensor<tf.Rank.R2>(tb ? [3, 7] : [7, 3]);
      return tf.fused.matMul({
        a,
        b,
        transposeA: ta,
        transposeB: tb,
        bias: tf.tensor1d([1, 2, 3]),
        activation: 'relu',
      });
    };
    await useBackend('cpu');
    const expected = tf.tidy(() => run().dataSync());
    await useBackend('wasm');
    expectClose(
      tf.tidy(() => run().dataSync().slice()),
      expected,
      1e-5,
    );
  },
);
