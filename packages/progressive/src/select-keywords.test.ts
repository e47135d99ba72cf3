import { expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { selectKeywords } from './select-keywords';

const ones = (count: number, l: number) => Array.from({ length: l }, (_, i) => Number(i < count));

/** By sorting: the k best valid words of a row, ties to the lower index. */
function bySorting(row: number[], valid: number[], keepRatio: number): number[] {
  const order = row.map((_, i) => i).filter((i) => valid[i]);
  order.sort((i, j) => row[j]! - row[i]! || i - j);
  const k = order.length ? Math.max(1, Math.ceil(keepRatio * order.length - 1e-9)) : 0;
  return row.map((_, i) => Number(order.slice(0, k).includes(i)));
}

onEveryEngine('selectKeywords', () => {
  it('keeps ⌈keepRatio · n⌉ of the words left, at least one, computed in float64', () => {
    const counts = [0, 1, 2, 3, 10, 25, 30, 97];
    const wordMask = tf.tensor2d(counts.map((n) => ones(n, 97)));
    const importance = random(1).tensor<tf.Rank.R2>([counts.length, 97]);
    const kept = (keepRatio: number) => {
      const { keywordMask } = selectKeywords(importance, { keepRatio, wordMask });
      return [...tf.sum(keywordMask, 1).dataSync()];
    };
    expect(kept(0.7)).toEqual([0, 1, 2, 3, 7, 18, 21, 68]);
    expect(kept(0.56)).toEqual([0, 1, 2, 2, 6, 14, 17, 55]);
    expect(kept(0.1)).toEqual([0, 1, 1, 1, 1, 3, 3, 10]);
    expect(kept(1)).toEqual(counts);
  });

  it('agrees with sorting, ties to the lower index, in evaluation and in training without noise', () => {
    const rows = fc.array(fc.record({ value: fc.integer({ min: -2, max: 2 }), valid: fc.boolean() }), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(rows, fc.double({ min: 0.05, max: 1, noNaN: true }), fc.boolean(), (row, keepRatio, training) => {
        tf.tidy(() => {
          const [values, valid] = [row.map((w) => w.value), row.map((w) => Number(w.valid))];
          const { keywordMask } = selectKeywords(tf.tensor2d([values]), {
            keepRatio,
            wordMask: tf.tensor2d([valid]),
            training,
            noise: false,
          });
          expect([...keywordMask.dataSync()]).toEqual(bySorting(values, valid, keepRatio));
        });
      }),
      { numRuns: 60 },
    );
  });

  it('scales importance over the words left', () => {
    const importance = tf.tensor2d([[1, 3, 1e-9, 5]]);
    const wordMask = tf.tensor2d([[1, 1, 1, 0]]);
    const soft = (options: object) => selectKeywords(importance, { wordMask, ...options }).soft;
    const softmax = (x: number[]) => {
      const e = x.map((v) => Math.exp(v));
      return [...e.map((v) => v / e.reduce((a, b) => a + b, 0)), 0];
    };
    const deviation = Math.sqrt((1 / 9 + 25 / 9 + 16 / 9) / 3);
    expectClose(soft({}), softmax([-1 / 3 / deviation, 5 / 3 / deviation, -4 / 3 / deviation]));
    expectClose(soft({ scale: 'raw', temperature: 2 }), softmax([0.5, 1.5, 0]));
    expectClose(soft({ scale: 'log' }), softmax([0, Math.log(3), Math.log(1e-6)]));
  });

  it.each(['zscore', 'log', 'raw'] as const)(
    'fact 7: exactly k ones, and a gradient to every word left, that of the softmax (%s)',
    (scale) => {
      const importance = tf.tensor2d([
        [0.2, 0.9, 0.4, 0.7, 0.1],
        [0.3, 0.2, 0.8, 9, 9],
      ]);
      const wordMask = tf.tensor2d([ones(5, 5), ones(3, 5)]);
      const weights = random(2).tensor([2, 5]);
      const options = { keepRatio: 0.5, wordMask, scale, training: true, seed: 11 } as const;
      const { keywordMask } = selectKeywords(importance, options);
      expect(new Set(keywordMask.dataSync())).toEqual(new Set([0, 1]));
      expect([...tf.sum(keywordMask, 1).dataSync()]).toEqual([3, 2]);
      const gradient = (of: 'keywordMask' | 'soft') =>
        tf.grad((x) => tf.sum(tf.mul(selectKeywords(x as tf.Tensor2D, options)[of], weights)))(importance);
      const [hard, soft] = [gradient('keywordMask'), gradient('soft')];
      expectClose(hard, soft, 1e-6);
      hard.dataSync().forEach((g, i) => {
        if (wordMask.dataSync()[i]) expect(Math.abs(g)).toBeGreaterThan(1e-5);
        else expect(g).toBe(0);
      });
    },
  );

  it('is a constant in evaluation', () => {
    const importance = tf.tensor2d([[0.2, 0.9]]);
    const f = (x: tf.Tensor) => tf.sum(tf.mul(x, selectKeywords(x as tf.Tensor2D, { keepRatio: 0.5 }).keywordMask));
    expectClose(tf.grad(f)(importance), [0, 1]);
  });

  it('draws words about as often as their softmax says, and repeats a seed', () => {
    const row = [0, Math.log(2), Math.log(5)];
    const importance = tf.tensor2d(Array.from({ length: 4000 }, () => row));
    const draw = (seed: number) =>
      selectKeywords(importance, { keepRatio: 0.3, scale: 'raw', training: true, seed }).keywordMask;
    expectClose(tf.mean(draw(1), 0), [1 / 8, 2 / 8, 5 / 8], 0.03);
    expectClose(draw(1), draw(1), 0);
    expect(draw(1).dataSync()).not.toEqual(draw(2).dataSync());
  });

  describe('edges', () => {
    it('fact 8: finite for one word, equal words, and importances of ±1e4', () => {
      const importance = tf.tensor2d([
        [2, 0, 0],
        [1, 1, 1],
        [1e4, -1e4, 0],
        [0, 0, 0],
      ]);
      const wordMask = tf.tensor2d([ones(1, 3), ones(3, 3), ones(3, 3), ones(0, 3)]);
      for (const scale of ['zscore', 'log', 'raw'] as const) {
        const run = (x: tf.Tensor) => selectKeywords(x as tf.Tensor2D, { wordMask, scale, training: true, seed: 1 });
        const { keywordMask, soft } = run(importance);
        const gradient = tf.grad((x) => tf.sum(tf.mul(run(x).keywordMask, importance)))(importance);
        for (const x of [soft, gradient]) expect([...x.dataSync()].every(Number.isFinite)).toBe(true);
        expect([...keywordMask.dataSync()].slice(9)).toEqual([0, 0, 0]);
        expectClose(tf.sum(soft, 1), [1, 1, 1, 0]);
      }
    });

    it('leaks nothing', () => {
      const [importance, wordMask] = [tf.ones([2, 4]), tf.ones([2, 4])] as [tf.Tensor2D, tf.Tensor2D];
      for (const training of [false, true]) {
        const run = () => ({ ...selectKeywords(importance, { wordMask, training, seed: 2 }) });
        expectNoLeak(run, [importance, wordMask]);
      }
    });

    it('says what is wrong', () => {
      const importance = tf.ones([2, 4]) as tf.Tensor2D;
      expect(() => selectKeywords(importance, { training: true })).toThrow(/seed: .*Fix: pass the step number/);
      expect(() => selectKeywords(importance, { keepRatio: 0 })).toThrow(/keepRatio/);
      expect(() => selectKeywords(importance, { keepRatio: 1.1 })).toThrow(/keepRatio/);
      expect(() => selectKeywords(importance, { temperature: 0 })).toThrow(/temperature/);
      expect(() => selectKeywords(importance, { wordMask: tf.ones([2, 5]) })).toThrow(/wordMask/);
      expect(() => selectKeywords(importance, { scale: 'rank' as never })).toThrow(/'zscore', 'log', 'raw'/);
    });
  });
});
