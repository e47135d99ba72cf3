import { checkGradient, expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { ShapeError } from './checks';
import { lateInteraction } from './late-interaction';

type Tokens = number[][][];

function loops(a: Tokens, b: Tokens, maskA: number[][], maskB: number[][]): number[] {
  const cosine = (x: number[], y: number[]) =>
    x.reduce((sum, v, k) => sum + v * y[k]!, 0) / (Math.hypot(...x) * Math.hypot(...y));
  return a.flatMap((x, n) =>
    b.map((y, m) => {
      let [sum, count] = [0, 0];
      x.forEach((token, i) => {
        const matches = y.filter((_, j) => maskB[m]![j]).map((other) => cosine(token, other));
        if (!maskA[n]![i] || matches.length === 0) return;
        sum += Math.max(...matches);
        count += 1;
      });
      return count ? sum / count : 0;
    }),
  );
}

onEveryEngine('lateInteraction', () => {
  const given = () => {
    const r = random(8);
    return {
      a: r.tensor<tf.Rank.R3>([2, 3, 4]),
      b: r.tensor<tf.Rank.R3>([3, 2, 4]),
      maskA: tf.tensor2d([
        [1, 1, 0],
        [1, 1, 1],
      ]),
      maskB: tf.tensor2d([
        [1, 1],
        [0, 1],
        [0, 0],
      ]),
    };
  };

  it('equals plain loops, with and without masks', () => {
    const { a, b, maskA, maskB } = given();
    const [x, y] = [a.arraySync(), b.arraySync()];
    const ones = (n: number, m: number) => Array.from({ length: n }, () => Array(m).fill(1));
    expectClose(lateInteraction(a, b), loops(x, y, ones(2, 3), ones(3, 2)));
    expectClose(lateInteraction(b, a), loops(y, x, ones(3, 2), ones(2, 3)));
    expectClose(lateInteraction(a, b, { maskA, maskB }), loops(x, y, maskA.arraySync(), maskB.arraySync()));
  });

  it('does not read masked tokens', () => {
    const { a, b, maskA, maskB } = given();
    const holed = tf.where(tf.expandDims(tf.notEqual(maskB, 0), 2), b, Number.NaN) as tf.Tensor3D;
    expectClose(lateInteraction(a, holed, { maskA, maskB }), lateInteraction(a, b, { maskA, maskB }), 0);
  });

  it('agrees with finite differences', () => {
    const { a, b, maskA, maskB } = given();
    const weights = random(9).tensor([2, 3]);
    checkGradient(
      (x, y) =>
        tf.sum(tf.mul(lateInteraction(x as tf.Tensor3D, y as tf.Tensor3D, { maskA, maskB }), weights)) as tf.Scalar,
      [a, b],
      { step: 2e-3 },
    );
  });

  it('leaks nothing and says what is wrong', () => {
    const { a, b, maskA, maskB } = given();
    expectNoLeak(() => lateInteraction(a, b, { maskA, maskB }), [a, b, maskA, maskB]);
    expect(() => lateInteraction(a, tf.zeros([3, 2, 5]))).toThrow(ShapeError);
    expect(() => lateInteraction(a, b, { maskA: maskB })).toThrow(/maskA/);
  });
});
