import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../index';

describe('wasm refuses what is beyond the end', () => {
  beforeAll(() => useBackend('wasm'));

  it.each([
    [false, false, [2, 3], [2, 3]],
    [true, false, [2, 3], [3, 2]],
    [false, true, [2, 3], [3, 2]],
    [true, true, [2, 3], [2, 3]],
  ] as const)('products of matrices that do not fit (transposed: %s, %s)', (transposeA, transposeB, a, b) => {
    const [x, y] = [tf.ones([...a]) as tf.Tensor2D, tf.ones([...b]) as tf.Tensor2D];
    expect(() => tf.matMul(x, y, transposeA, transposeB)).toThrow(/matMul: expected matrices with the same inner size/);
    expect(() => tf.fused.matMul({ a: x, b: y, transposeA, transposeB })).toThrow(/inner size|inner shapes/);
  });

  it('slices', () => {
    expect(() => tf.slice(tf.ones([2, 2]), [0, 1], [2, 2])).toThrow(/slice/i);
  });

  it('a kernel that fails on the cpu engine leaves nothing there', () => {
    const cpu = tf.findBackend('cpu');
    const before = cpu.numDataIds();
    const [splits, index] = [tf.tensor1d([0, 2, 1], 'int32'), tf.scalar(0, 'int32')];
    expect(() => tf.raggedGather([splits], tf.ones([3]), index, 1)).toThrow(/sorted/);
    expect(cpu.numDataIds()).toBe(before);
  });
});
