import { checkGradient, expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { OptionError, ShapeError } from './checks';
import { coImportance } from './co-importance';
import { refinedSimilarity, regionFeatures } from './regions';

onEveryEngine('regions', () => {
  const given = () => ({
    similarity: tf.tensor3d([
      [
        [2, 1],
        [-1, 3],
      ],
    ]),
    pixels: tf.tensor3d([
      [
        [1, 0],
        [0, 1],
      ],
    ]),
    importance: { wordWeights: tf.tensor2d([[0.5, 0.25]]), pixelWeights: tf.tensor2d([[0.25, 0.75]]) },
  });

  it('refinedSimilarity is P_i Q_j S_ij, 0 at masked pairs whatever stands there', () => {
    const { similarity, importance } = given();
    expectClose(refinedSimilarity(similarity, importance), [0.25, 0.375, -0.0625, 0.5625]);
    const masks = { wordMask: tf.tensor2d([[1, 0]]), pixelMask: tf.tensor2d([[1, 1]]) };
    const holed = tf.tensor3d([
      [
        [2, 1],
        [Number.NaN, 3],
      ],
    ]);
    expectClose(refinedSimilarity(holed, importance, masks), [0.25, 0.375, 0, 0]);
  });

  it('averages pixels by Q_j f(S_ij)', () => {
    const { similarity, pixels, importance } = given();
    const raw = { normalize: false } as const;
    const run = (options: object) => regionFeatures(similarity, pixels, importance, { ...raw, ...options });
    expectClose(run({}), [0.125, 0.1875, -0.03125, 0.28125]);
    expectClose(run({ attention: 'relu' }), [0.125, 0.1875, 0, 0.28125]);
    expectClose(run({ pixelWeighting: 'uniform' }), [0.5, 0.25, -0.125, 0.375]);
    const [e1, e3, sixth] = [Math.exp(1), 3, Math.exp(-4)];
    expectClose(run({ attention: 'softmax' }), [e1 / (e1 + e3), e3 / (e1 + e3), sixth / (sixth + 3), 3 / (sixth + 3)]);
    expectClose(run({ attention: 'softmax', attentionTemperature: 0.5, pixelWeighting: 'uniform' }), [
      1 / (1 + Math.exp(-2)),
      1 / (1 + Math.exp(2)),
      1 / (1 + Math.exp(8)),
      1 / (1 + Math.exp(-8)),
    ]);
  });

  it('without bias, P does not matter under the norm; with bias it does', () => {
    const { similarity, pixels, importance } = given();
    const other = { ...importance, wordWeights: tf.tensor2d([[0.01, 0.99]]) };
    const bias = tf.tensor1d([0.1, 0.1]);
    expectClose(regionFeatures(similarity, pixels, importance), regionFeatures(similarity, pixels, other), 0);
    const biased = [importance, other].map((i) => regionFeatures(similarity, pixels, i, { bias }).dataSync());
    expect(biased[0]).not.toEqual(biased[1]);
  });

  it.each(['linear', 'softmax', 'relu'] as const)('agrees with finite differences in every input (%s)', (attention) => {
    const r = random(3);
    const [similarity, pixels, projection, bias] = [
      r.tensor([2, 3, 4]),
      r.tensor([2, 4, 3]),
      r.tensor([3, 3]),
      r.tensor([3], 0.1),
    ] as const;
    const P = tf.softmax(r.tensor([2, 3]));
    const Q = tf.softmax(r.tensor([2, 4], 0.3));
    const weights = r.tensor([2, 3, 3]);
    const wordMask = tf.tensor2d([
      [1, 1, 0],
      [1, 1, 1],
    ]);
    const pixelMask = tf.tensor2d([
      [1, 1, 1, 0],
      [1, 1, 1, 1],
    ]);
    checkGradient(
      (S, I, W, b, p, q) => {
        const importance = { wordWeights: p as tf.Tensor2D, pixelWeights: q as tf.Tensor2D };
        const options = {
          wordMask,
          pixelMask,
          projection: W as tf.Tensor2D,
          bias: b as tf.Tensor1D,
          attention,
          attentionTemperature: 0.7,
        };
        const regions = regionFeatures(S as tf.Tensor3D, I as tf.Tensor3D, importance, options);
        // softmax attention does not use P; a zero keeps it on the tape
        return tf.add(tf.sum(tf.mul(regions, weights)), tf.mul(tf.sum(p!), 0)) as tf.Scalar;
      },
      [similarity, pixels, projection, bias, P, Q],
      { step: 2e-3, tolerance: 1e-2 },
    );
  });

  it('gives zero rows for invalid words, and finite gradients for an image of zeros', () => {
    const r = random(5);
    const [similarity, pixels] = [r.tensor<tf.Rank.R3>([2, 3, 4]), tf.zeros([2, 4, 3]) as tf.Tensor3D];
    const wordMask = tf.tensor2d([
      [1, 1, 0],
      [0, 0, 0],
    ]);
    const run = (S: tf.Tensor, I: tf.Tensor) =>
      regionFeatures(S as tf.Tensor3D, I as tf.Tensor3D, coImportance(S as tf.Tensor3D, { wordMask }), { wordMask });
    const rows = tf.sum(tf.square(run(similarity, r.tensor([2, 4, 3]))), 2);
    expectClose(rows, [1, 1, 0, 0, 0, 0]);
    for (const gradient of tf.grads((S, I) => tf.sum(run(S!, I!)) as tf.Scalar)([similarity, pixels])) {
      expect([...gradient.dataSync()].every(Number.isFinite)).toBe(true);
    }
  });

  it('leaks nothing and says what is wrong', () => {
    const { similarity, pixels, importance } = given();
    expectNoLeak(() => regionFeatures(similarity, pixels, importance), [similarity, pixels]);
    expectNoLeak(() => refinedSimilarity(similarity, importance), [similarity]);
    expect(() => regionFeatures(similarity, tf.zeros([1, 3, 2]), importance)).toThrow(ShapeError);
    expect(() => regionFeatures(similarity, pixels, importance, { projection: tf.zeros([3, 3]) })).toThrow(
      /projection/,
    );
    expect(() => regionFeatures(similarity, pixels, importance, { attention: 'hard' as never })).toThrow(OptionError);
    expect(() => regionFeatures(similarity, pixels, importance, { attentionTemperature: 0 })).toThrow(OptionError);
  });
});
