import { checkGradient, expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { OptionError, ShapeError } from './checks';
import { pairwiseSimilarity, wordPixelSimilarity } from './pairwise';

const kinds = ['cosine', 'dot', 'scaledDot'] as const;

onEveryEngine('pairwise similarity', () => {
  const a = [
    [1, 2, 2],
    [0, 3, 4],
  ];
  const b = [
    [2, 0, 0],
    [1, 1, 1],
    [0, 0, 5],
  ];

  it('compares every row with every row', () => {
    const [x, y] = [tf.tensor2d(a), tf.tensor2d(b)];
    expectClose(pairwiseSimilarity(x, y, { kind: 'dot' }), [2, 5, 10, 0, 7, 20]);
    expectClose(
      pairwiseSimilarity(x, y, { kind: 'scaledDot', scale: 2 }),
      [2, 5, 10, 0, 7, 20].map((v) => (2 * v) / Math.sqrt(3)),
    );
    for (const kind of kinds) {
      const learned = pairwiseSimilarity(x, y, { kind, scale: tf.scalar(2) });
      expectClose(learned, pairwiseSimilarity(x, y, { kind, scale: 2 }));
    }
    expectClose(pairwiseSimilarity(x, y), [1 / 3, 5 / 3 / Math.sqrt(3), 2 / 3, 0, 7 / 5 / Math.sqrt(3), 0.8]);
  });

  it('compares words with the pixels of their own image only', () => {
    const words = tf.tensor3d([[a[0]!], [a[1]!]]);
    const pixels = tf.tensor3d([
      [b[0]!, b[1]!],
      [b[1]!, b[2]!],
    ]);
    expectClose(wordPixelSimilarity(words, pixels, { kind: 'dot' }), [2, 5, 7, 20]);
    expectClose(
      wordPixelSimilarity(words, pixels),
      [2, 5, 7, 20].map((v) => v / Math.sqrt(3)),
    );
  });

  it.each(kinds)('agrees with finite differences, in a learned scale too (%s)', (kind) => {
    const r = random(3);
    const weights = r.tensor([2, 3, 4]);
    checkGradient(
      (words, pixels, scale) =>
        tf.sum(
          tf.mul(wordPixelSimilarity(words as tf.Tensor3D, pixels as tf.Tensor3D, { kind, scale }), weights),
        ) as tf.Scalar,
      [r.tensor([2, 3, 5]), r.tensor([2, 4, 5]), tf.scalar(1.5)],
      { step: 3e-3 },
    );
  });

  it('leaks nothing', () => {
    const [x, y] = [tf.tensor2d(a), tf.tensor2d(b)];
    for (const kind of kinds) expectNoLeak(() => pairwiseSimilarity(x, y, { kind, scale: 3 }), [x, y]);
  });

  it('says what is wrong', () => {
    const x = tf.zeros([2, 3]) as tf.Tensor2D;
    expect(() => pairwiseSimilarity(x, tf.zeros([2, 4]) as tf.Tensor2D)).toThrow(/b: .*\[2, 4\].*d is 3 in a/);
    expect(() => wordPixelSimilarity(tf.zeros([1, 2, 3]), tf.zeros([2, 2, 3]))).toThrow(ShapeError);
    expect(() => pairwiseSimilarity(x, x, { kind: 'euclid' as never })).toThrow(OptionError);
    expect(() => pairwiseSimilarity(x, x, { scale: Number.NaN })).toThrow(/scale/);
  });
});
