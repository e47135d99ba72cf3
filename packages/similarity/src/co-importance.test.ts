import { checkGradient, expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { OptionError, ShapeError } from './checks';
import { type CoImportance, type CoImportanceOptions, coImportance } from './co-importance';

const names = [
  'wordInitial',
  'pixelInitial',
  'wordPrior',
  'pixelPrior',
  'wordRefined',
  'pixelRefined',
  'wordWeights',
  'pixelWeights',
  'wordImportance',
] as const;

const finite = (x: tf.Tensor) => [...x.dataSync()].every(Number.isFinite);

onEveryEngine('coImportance', () => {
  const masks = () => ({
    wordMask: tf.tensor2d([
      [1, 1, 0],
      [0, 0, 0],
    ]),
    pixelMask: tf.tensor2d([
      [1, 1, 1, 0],
      [1, 1, 1, 1],
    ]),
  });
  const weighted = (joint: CoImportance, seed: number) => {
    const r = random(seed);
    return tf.addN(names.map((name) => tf.sum(tf.mul(joint[name], r.tensor(joint[name].shape))))) as tf.Scalar;
  };

  it('gives literal values', () => {
    const { wordInitial, pixelInitial } = coImportance(
      tf.tensor3d([
        [
          [4, 0],
          [0, 0],
        ],
      ]),
      { alpha: 2, beta: 0 },
    );
    expectClose(wordInitial, [2 + 2 * Math.sqrt(4 + 1e-6), 2e-3]);
    expectClose(pixelInitial, [2, 0]);
  });

  it.each(['half', 'expected', { word: 0.5, pixel: 2 }] as const)(
    'agrees with finite differences (%j)',
    (weighting) => {
      const inputs = [random(1).tensor([2, 3, 4]), tf.scalar(0.7), tf.scalar(1.3)];
      for (const masked of [{}, masks()]) {
        checkGradient(
          (similarity, alpha, beta) =>
            weighted(coImportance(similarity as tf.Tensor3D, { alpha, beta, weighting, ...masked }), 5),
          inputs,
          { step: 3e-3 },
        );
      }
    },
  );

  it('passes a gradient to weighting: { word, pixel } when it is learned', () => {
    const similarity = random(1).tensor<tf.Rank.R3>([2, 3, 4]);
    checkGradient(
      (word, pixel) =>
        weighted(coImportance(similarity, { weighting: { word: word as tf.Scalar, pixel: pixel as tf.Scalar } }), 5),
      [tf.scalar(0.5), tf.scalar(1)],
    );
  });

  it("'expected' is clamped at 0: with negative similarity all valid words weigh the same", () => {
    const similarity = tf.neg(tf.abs(random(4).tensor<tf.Rank.R3>([1, 3, 4])));
    expectClose(coImportance(similarity, { weighting: 'expected' }).wordWeights, [1 / 3, 1 / 3, 1 / 3]);
  });

  it('is all zeros for a sample without a word or without a pixel, with finite gradients', () => {
    const similarity = random(1).tensor<tf.Rank.R3>([2, 3, 4]);
    const { wordMask, pixelMask } = masks();
    const noPixel = { wordMask: tf.ones([2, 3]), pixelMask: tf.mul(pixelMask, [[1], [0]]) } as CoImportanceOptions;
    for (const options of [{ wordMask }, { wordMask, pixelMask }, noPixel]) {
      const joint = coImportance(similarity, options);
      for (const name of names) {
        const [, second] = joint[name].arraySync();
        expect(new Set(second), name).toEqual(new Set([0]));
      }
      const gradient = tf.grad((s) => weighted(coImportance(s as tf.Tensor3D, options), 5))(similarity);
      expect(finite(gradient)).toBe(true);
      expectClose(tf.slice(gradient, [1, 0, 0]), Array(12).fill(0));
    }
  });

  it('fact 8: no NaN in value or gradient for one word, a constant image and similarities of ±1e4', () => {
    const cases = [
      tf.tensor3d([[[1, 2, 3]]]),
      tf.tensor3d([[[2], [1]]]),
      tf.fill([1, 3, 4], 0.5) as tf.Tensor3D,
      tf.tensor3d([
        [
          [1e4, -1e4],
          [-1e4, 1e4],
          [0, 1e4],
        ],
      ]),
    ];
    for (const weighting of ['half', 'expected'] as const) {
      for (const similarity of cases) {
        const joint = coImportance(similarity, { weighting });
        for (const name of names) expect(finite(joint[name]), name).toBe(true);
        expect(finite(tf.grad((s) => weighted(coImportance(s as tf.Tensor3D, { weighting }), 5))(similarity))).toBe(
          true,
        );
      }
    }
  });

  it('follows a permutation of words and of pixels', () => {
    const similarity = random(6).tensor<tf.Rank.R3>([1, 3, 4]);
    const moved = tf.gather(tf.gather(similarity, [2, 0, 1], 1), [3, 1, 0, 2], 2);
    const [joint, other] = [coImportance(similarity), coImportance(moved)];
    expectClose(other.wordImportance, tf.gather(joint.wordImportance, [2, 0, 1], 1));
    expectClose(other.pixelWeights, tf.gather(joint.pixelWeights, [3, 1, 0, 2], 1));
  });

  it('leaks nothing', () => {
    const similarity = random(1).tensor<tf.Rank.R3>([2, 3, 4]);
    const { wordMask, pixelMask } = masks();
    const run = () => coImportance(similarity, { wordMask, pixelMask, weighting: 'expected' });
    expectNoLeak(run as () => never, [similarity, wordMask, pixelMask]);
  });

  it('says what is wrong', () => {
    const similarity = tf.zeros([2, 3, 4]) as tf.Tensor3D;
    expect(() => coImportance(similarity, { wordMask: tf.ones([2, 4]) })).toThrow(ShapeError);
    expect(() => coImportance(similarity, { pixelMask: tf.ones([2, 3]) })).toThrow(/pixelMask.*p is 4 in similarity/);
    expect(() => coImportance(similarity, { weighting: 'sum' as never })).toThrow(OptionError);
    expect(() => coImportance(similarity, { alpha: Number.NaN })).toThrow(/alpha/);
  });
});
