import { checkGradient, expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { attentionWeights, scaledDotProductAttention } from './attention';

const weigh = (x: tf.Tensor) => tf.sum(tf.mul(x, random(99).tensor(x.shape))) as tf.Scalar;
const inputs = () => {
  const r = random(1);
  return [r.tensor([2, 2, 3, 4]), r.tensor([2, 2, 5, 4]), r.tensor([2, 2, 5, 3])] as const;
};
const mask = () => tf.tensor2d([1, 1, 0, 1, 0, 0, 0, 0, 0, 0], [2, 5]);

/** One loop per letter. */
function plain(
  q: tf.Tensor,
  k: tf.Tensor,
  v: tf.Tensor,
  valid: (b: number, n: number, m: number) => boolean,
): number[] {
  const [Q, K, V] = [q, k, v].map((t) => t.arraySync() as number[][][][]);
  return Q!.flatMap((heads, b) =>
    heads.flatMap((queries, h) =>
      queries.flatMap((query, n) => {
        const weights = K![b]![h]!.map((key, m) =>
          valid(b, n, m) ? Math.exp(query.reduce((sum, x, i) => sum + x * key[i]!, 0) / Math.sqrt(query.length)) : 0,
        );
        const total = weights.reduce((a, c) => a + c) || 1;
        return V![b]![h]![0]!.map((_, f) => weights.reduce((sum, w, m) => sum + (w / total) * V![b]![h]![m]![f]!, 0));
      }),
    ),
  );
}

onEveryEngine('scaledDotProductAttention', () => {
  it('equals the plain loop without a mask, with a key mask and with a full mask', () => {
    const [q, k, v] = inputs();
    expectClose(
      scaledDotProductAttention(q, k, v),
      plain(q, k, v, () => true),
    );
    const valid = mask().arraySync() as number[][];
    expectClose(
      scaledDotProductAttention(q, k, v, { mask: mask() }),
      plain(q, k, v, (b, _, m) => valid[b]![m] === 1),
    );
    const causal = tf.tensor4d(
      [0, 1, 2].flatMap((n) => [0, 1, 2, 3, 4].map((m) => (m <= n ? 1 : 0))),
      [1, 1, 3, 5],
    );
    expectClose(
      scaledDotProductAttention(q, k, v, { mask: causal }),
      plain(q, k, v, (_, n, m) => m <= n),
    );
  });

  it('has the gradient of finite differences, with a query that has no valid key', () => {
    const all = [...inputs()];
    checkGradient((q, k, v) => weigh(scaledDotProductAttention(q!, k!, v!)), all);
    checkGradient((q, k, v) => weigh(scaledDotProductAttention(q!, k!, v!, { mask: mask() })), all);
    checkGradient((q, k) => weigh(attentionWeights(q!, k!, { mask: mask() })), all.slice(0, 2));
  });

  it('reads any mask as the plain loop does: other dtypes, a 2 for a 1, and NaN keys under a mask of rank 4', () => {
    const [q, k, v] = inputs();
    const expected = scaledDotProductAttention(q, k, v, { mask: mask() }).dataSync();
    for (const other of [tf.cast(mask(), 'bool'), tf.cast(mask(), 'int32'), tf.mul(mask(), 2)])
      expectClose(scaledDotProductAttention(q, k, v, { mask: other }), expected, 1e-6);
    const full = tf.reshape(mask(), [2, 1, 1, 5]);
    const valid = tf.cast(tf.broadcastTo(tf.reshape(mask(), [2, 1, 5, 1]), k.shape), 'bool');
    const weights = attentionWeights(q, tf.where(valid, k, Number.NaN), { mask: full });
    expectClose(weights, attentionWeights(q, k, { mask: full }).dataSync(), 1e-6);
  });

  it('ignores NaN at masked keys, in value and gradient', () => {
    const [q, k, v] = inputs();
    const broken = (x: tf.Tensor) =>
      tf.where(
        tf.cast(tf.broadcastTo(tf.reshape(mask(), [2, 1, 5, 1]), x.shape), 'bool'),
        x,
        tf.fill(x.shape, Number.NaN),
      );
    const run = (k: tf.Tensor, v: tf.Tensor) => scaledDotProductAttention(q, k, v, { mask: mask() });
    expectClose(run(broken(k), broken(v)), run(k, v), 0);
    const clean = tf.grads((k, v) => weigh(run(k!, v!)))([k, v]);
    const dirty = tf.grads((k, v) => weigh(run(k!, v!)))([broken(k), broken(v)]);
    for (const i of [0, 1]) expectClose(dirty[i]!, clean[i]!, 0);
  });

  it('drops attention weights reproducibly', () => {
    const [q, k, v] = inputs();
    const run = (step: number) =>
      scaledDotProductAttention(q, k, v, { mask: mask(), dropout: { rate: 0.5, seed: 7, step } });
    expectClose(run(1), run(1), 0);
    expect(Array.from(run(1).dataSync())).not.toEqual(Array.from(run(2).dataSync()));
  });

  it('names what does not fit', () => {
    const [q, k, v] = inputs();
    expect(() => scaledDotProductAttention(q, v, v)).toThrow(/k: expected shape \[b, h, m, e\]/);
    expect(() => scaledDotProductAttention(q, k, v, { mask: tf.ones([2, 3]) })).toThrow(
      /mask: expected shape \[2, 5\]/,
    );
  });

  it('leaks nothing', () => {
    const [q, k, v] = inputs();
    const m = mask();
    expectNoLeak(() => scaledDotProductAttention(q, k, v, { mask: m }), [q, k, v, m]);
    expectNoLeak(() => attentionWeights(q, k, { mask: m }), [q, k, m]);
    expectNoLeak(
      () => tf.tidy(() => tf.grad((x) => weigh(scaledDotProductAttention(x, k, v, { mask: m })))(q)),
      [q, m],
    );
  });
});
