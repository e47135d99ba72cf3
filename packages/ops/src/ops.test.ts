import { checkGradient, expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { embedding, gelu, layerNorm, linear, segmentSum, softmaxCrossEntropy } from './index';

const data = (x: tf.Tensor) => Array.from(x.dataSync());
/** A scalar that weighs every output differently, so that no gradient error can cancel. */
const weigh = (x: tf.Tensor) => tf.sum(tf.mul(x, random(99).tensor(x.shape))) as tf.Scalar;

onEveryEngine('linear', () => {
  it('maps the last axis of any rank', () => {
    const weight = tf.tensor2d([
      [1, 0, 2],
      [0, 1, 3],
    ]);
    expect(data(linear(tf.tensor1d([1, 2]), weight))).toEqual([1, 2, 8]);
    const y = linear(tf.tensor3d([1, 2, 3, 4], [2, 1, 2]), weight, { bias: tf.tensor1d([10, 20, 30]) });
    expect(y.shape).toEqual([2, 1, 3]);
    expect(data(y)).toEqual([11, 22, 38, 13, 24, 48]);
  });

  it('has the gradient of finite differences, also for many rows', () => {
    const r = random(1);
    checkGradient(
      (x, w, b) => weigh(linear(x!, w!, { bias: b })),
      [r.tensor([2, 3, 4]), r.tensor([4, 5]), r.tensor([5])],
    );
    const dy = tf.grad((b) => tf.sum(linear(tf.ones([96, 1]), tf.zeros([1, 2]), { bias: b })))(tf.zeros([2]));
    expect(data(dy)).toEqual([96, 96]);
  });

  it('names what does not fit', () => {
    expect(() => linear(tf.ones([2, 3]), tf.ones([4, 5]))).toThrow(/x: expected shape \[…, 4\].*got \[2,3\]/);
    expect(() => linear(tf.ones([2, 4]), tf.ones([4, 5]), { bias: tf.ones([4]) })).toThrow(/bias/);
  });
});

onEveryEngine('layerNorm', () => {
  it('equals the plain loop', () => {
    const r = random(2);
    const [x, scale, offset] = [r.tensor([2, 3, 8], 3), r.tensor([8]), r.tensor([8])];
    const [values, s, o] = [x, scale, offset].map((t) => t.dataSync());
    const expected = Array.from({ length: 6 }, (_, row) => {
      const v = Array.from(values!.slice(row * 8, row * 8 + 8));
      const mean = v.reduce((a, b) => a + b) / 8;
      const variance = v.reduce((a, b) => a + (b - mean) ** 2, 0) / 8;
      return v.map((value, i) => ((value - mean) / Math.sqrt(variance + 1e-3)) * s![i]! + o![i]!);
    }).flat();
    expectClose(layerNorm(x, scale, offset, { epsilon: 1e-3 }), expected, 1e-5);
  });

  it('has the gradient of finite differences', () => {
    const r = random(3);
    checkGradient((x, s, o) => weigh(layerNorm(x!, s!, o!)), [r.tensor([3, 6]), r.tensor([6]), r.tensor([6])]);
  });

  it('is finite on a constant row, in value and gradient', () => {
    const dx = tf.grad((x) => weigh(layerNorm(x, tf.ones([4]), tf.zeros([4]))))(tf.fill([2, 4], 7));
    expect(data(dx).every(Number.isFinite)).toBe(true);
  });
});

onEveryEngine('gelu', () => {
  it('gives the published values', () => {
    const x = tf.tensor1d([-3, -1, 0, 0.5, 2]);
    expectClose(gelu(x), [-0.00404951, -0.15865525, 0, 0.34573123, 1.9544997], 1e-6);
    expectClose(gelu(x, { approximation: 'tanh' }), [-0.00363752, -0.158808, 0, 0.345714, 1.9545977], 1e-6);
  });

  it('has the gradient of finite differences', () => {
    for (const approximation of ['erf', 'tanh'] as const) {
      checkGradient((x) => weigh(gelu(x!, { approximation })), [random(4).tensor([3, 5], 2)]);
    }
  });

  it('is finite far out', () => {
    expectClose(gelu(tf.tensor1d([-1e4, 1e4])), [0, 1e4]);
    expectClose(tf.grad((x) => tf.sum(gelu(x)))(tf.tensor1d([-1e4, 1e4])), [0, 1]);
  });
});

onEveryEngine('embedding and segmentSum', () => {
  it('looks rows up, zeros outside the table', () => {
    const table = tf.tensor2d([
      [1, 2],
      [3, 4],
    ]);
    const ids = tf.tensor2d([[1, 0, -1, 2]], [1, 4], 'int32');
    const y = embedding(ids, table);
    expect(y.shape).toEqual([1, 4, 2]);
    expect(data(y)).toEqual([3, 4, 1, 2, 0, 0, 0, 0]);
  });

  it('adds the gradients of rows that share an id', () => {
    const ids = tf.tensor1d([1, 1, 0, 5], 'int32');
    const gradient = tf.grad((table) => tf.sum(tf.mul(embedding(ids, table), tf.tensor2d([[1], [2], [4], [8]]))));
    expect(data(gradient(tf.zeros([3, 1])))).toEqual([4, 3, 0]);
  });

  it('sums segments per batch element and drops −1', () => {
    const x = tf.tensor3d([1, 2, 4, 8, 16, 32], [2, 3, 1]);
    const ids = tf.tensor2d(
      [
        [0, 0, 2],
        [-1, 1, 3],
      ],
      [2, 3],
      'int32',
    );
    expect(data(segmentSum(x, ids, { segments: 3 }))).toEqual([3, 0, 4, 0, 16, 0]);
    const dx = tf.grad((v) =>
      tf.sum(tf.mul(segmentSum(v, ids, { segments: 3 }), tf.tensor3d([1, 2, 3, 4, 5, 6], [2, 3, 1]))),
    )(x);
    expect(data(dx)).toEqual([1, 1, 3, 0, 5, 0]);
  });

  it('keeps NaN of dropped rows out', () => {
    const x = tf.tensor2d([[1], [Number.NaN]]);
    expect(data(segmentSum(x, tf.tensor1d([0, -1], 'int32'), { segments: 1 }))).toEqual([1]);
  });

  it('wants int32 ids', () => {
    expect(() => embedding(tf.tensor1d([0]), tf.ones([2, 2]))).toThrow(/ids: expected an int32 tensor, got float32/);
  });
});

onEveryEngine('softmaxCrossEntropy', () => {
  const logits = [2, -1, 0.5, 0, 0, 3];
  const lse = (row: number[]) => Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0));
  const plain = [lse([2, -1, 0.5]) - 0.5, lse([0, 0, 3]) - 0];

  it('equals the plain loop for indices, distributions, masks and smoothing', () => {
    const z = tf.tensor2d(logits, [2, 3]);
    const labels = tf.tensor1d([2, 0], 'int32');
    expectClose(softmaxCrossEntropy(z, labels, { reduction: 'none' }), plain);
    expectClose(softmaxCrossEntropy(z, labels), [(plain[0]! + plain[1]!) / 2]);
    expectClose(softmaxCrossEntropy(z, labels, { mask: tf.tensor1d([0, 1]) }), [plain[1]!]);
    const smooth = [0, 1].map((i) => {
      const row = logits.slice(3 * i, 3 * i + 3);
      return 0.9 * plain[i]! + (0.1 / 3) * row.reduce((sum, value) => sum + lse(row) - value, 0);
    });
    expectClose(softmaxCrossEntropy(z, labels, { reduction: 'none', labelSmoothing: 0.1 }), smooth);
  });

  it('has the gradient of finite differences for logits and for targets that do not sum to one', () => {
    const targets = tf.tensor2d([0.2, 0.3, 0.9, 0.1, 0.5, 0.4], [2, 3]);
    checkGradient(
      (z, t) => weigh(softmaxCrossEntropy(z!, t!, { reduction: 'none' })),
      [tf.tensor2d(logits, [2, 3]), targets],
    );
  });

  it('survives logits of ±1e4 and an empty mask', () => {
    const z = tf.tensor2d([[1e4, -1e4]]);
    const labels = tf.tensor1d([1], 'int32');
    expectClose(softmaxCrossEntropy(z, labels), [2e4]);
    expect(data(softmaxCrossEntropy(z, labels, { mask: tf.zeros([1]) }))).toEqual([0]);
    expectClose(tf.grad((l) => softmaxCrossEntropy(l, labels))(z), [1, -1]);
  });
});

onEveryEngine('every op', () => {
  it('leaks nothing and disposes nothing it was given', () => {
    const x = random(5).tensor([4, 6]);
    const [scale, ids] = [tf.ones([6]), tf.tensor1d([0, 1, 1, -1], 'int32')];
    const given = [x, scale, ids];
    for (const op of [
      () => linear(x, tf.ones([6, 2])),
      () => layerNorm(x, scale, scale),
      () => gelu(x),
      () => embedding(ids, x),
      () => segmentSum(x, ids, { segments: 2 }),
      () => softmaxCrossEntropy(x, x),
    ]) {
      expectNoLeak(() => tf.tidy(op), given);
      expectNoLeak(() => tf.tidy(() => tf.grad(() => tf.sum(op()))(x)), given);
    }
  });
});
