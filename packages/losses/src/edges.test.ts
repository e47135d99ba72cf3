import { OptionError, ShapeError } from '@medalign/similarity';
import { expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import {
  filipLoss,
  gloriaLocalLoss,
  imageRegionLoss,
  infoNce,
  infoNcePresets,
  semanticMatchingLoss,
  sigmoidContrastive,
  softTargetContrastive,
  tokenAlignmentLoss,
  wordRegionLoss,
} from './index';

type Matrix = tf.Tensor2D;
type Tokens = tf.Tensor3D;
type GlobalOptions = { temperature?: number; reduction?: 'mean' | 'sum' | 'none' };
type LocalOptions = GlobalOptions & { wordMask?: Matrix; chunkSize?: number };

const labels = () => ({ imageLabels: tf.eye(3), textLabels: tf.eye(3) });
const global: [string, (a: Matrix, b: Matrix, options?: GlobalOptions) => tf.Tensor][] = [
  ['infoNce', infoNce],
  ['sigmoidContrastive', sigmoidContrastive],
  ['softTargetContrastive', softTargetContrastive],
  ['semanticMatchingLoss', (a, b, options) => semanticMatchingLoss(a, b, { ...labels(), ...options })],
];
/** Image side first; both sides three tokens wide here, so that every loss takes them. */
const local: [string, (images: Tokens, words: Tokens, options?: LocalOptions) => tf.Tensor][] = [
  ['wordRegionLoss', wordRegionLoss],
  ['wordRegionLoss over pairs', (v, w, options) => wordRegionLoss(v, w, { negatives: 'pairs', ...options })],
  ['wordRegionLoss over the batch', (v, w, options) => wordRegionLoss(v, w, { negatives: 'batch', ...options })],
  ['imageRegionLoss', (v, w, options) => imageRegionLoss(w, v, options)],
  ['imageRegionLoss with softmax', (v, w, options) => imageRegionLoss(w, v, { attention: 'softmax', ...options })],
  [
    'imageRegionLoss by the smooth maximum',
    (v, w, options) => imageRegionLoss(w, v, { attention: 'softmax', wordScore: 'smoothMax', ...options }),
  ],
  ['imageRegionLoss with relu', (v, w, options) => imageRegionLoss(w, v, { attention: 'relu', ...options })],
  ['gloriaLocalLoss', gloriaLocalLoss],
  ['tokenAlignmentLoss', tokenAlignmentLoss],
  ['filipLoss', filipLoss],
];
const finite = (tensors: tf.Tensor[]) =>
  tensors.forEach((t) => {
    expect(Array.from(t.dataSync()).every(Number.isFinite)).toBe(true);
  });

onEveryEngine('edges and properties', () => {
  const r = random(3);
  const a = () => r.tensor<tf.Rank.R2>([3, 4]);
  const x = () => r.tensor<tf.Rank.R3>([3, 3, 4]);
  const emptySecond = () => tf.tensor2d([1, 1, 0, 0, 0, 0, 1, 0, 0], [3, 3]);
  const order = [2, 0, 1];

  describe.each(global)('%s', (name, loss) => {
    it('is the same for a shuffled batch and for rescaled embeddings', () => {
      const [image, text] = [a(), a()];
      const shuffled = [image, text].map((t) => tf.gather(t, order)) as [Matrix, Matrix];
      expectClose(loss(...shuffled), loss(image, text), 2e-6);
      const scaled = [tf.mul(image, 7), tf.mul(text, tf.tensor2d([[0.1], [3], [40]]))] as [Matrix, Matrix];
      expectClose(loss(...scaled), loss(image, text), 1e-5);
    });
    it('adds up: sum is n times mean, and the sum of the rows', () => {
      const [image, text] = [a(), a()];
      const total = loss(image, text, { reduction: 'sum' });
      expectClose(tf.mul(loss(image, text), 3), total);
      const rows = loss(image, text, { reduction: 'none' });
      expect(rows.shape).toEqual([3]);
      expectClose(tf.sum(rows), total);
    });
    it('stays finite at temperature 0.01, for rows of zeros and one pair', () => {
      const inputs = [tf.concat([tf.zeros([1, 4]), tf.ones([2, 4])]) as Matrix, tf.ones([3, 4]) as Matrix];
      const f = (u: tf.Tensor, v: tf.Tensor) => tf.sum(loss(u as Matrix, v as Matrix, { temperature: 0.01 }));
      finite([f(inputs[0]!, inputs[1]!), ...tf.grads(f)(inputs)]);
      if (name !== 'semanticMatchingLoss') finite([loss(tf.ones([1, 4]), tf.ones([1, 4]))]);
    });
    it('leaves nothing behind, with a gradient or without', () => {
      const inputs = [a(), a()] as const;
      const made = labels();
      const run = (u: tf.Tensor, v: tf.Tensor) =>
        name === 'semanticMatchingLoss'
          ? semanticMatchingLoss(u as Matrix, v as Matrix, made)
          : loss(u as Matrix, v as Matrix);
      expectNoLeak(() => run(...inputs), [...inputs]);
      expectNoLeak(() => tf.grads((u, v) => run(u, v))([...inputs]), [...inputs]);
    });
    it('names what is wrong', () => {
      expect(() => loss(a(), tf.ones([3, 5]))).toThrow(ShapeError);
      expect(() => loss(tf.ones([0, 4]), tf.ones([0, 4]))).toThrow(/empty/);
      expect(() => loss(a(), a(), { temperature: 0 })).toThrow(/temperature: expected a finite number > 0, got 0/);
      expect(() => loss(a(), a(), { reduction: 'average' as never })).toThrow(/'mean', 'sum', 'none'/);
    });
  });

  describe.each(local)('%s', (_, loss) => {
    it('is the same for a shuffled batch', () => {
      const inputs = [x(), x()] as [Tokens, Tokens];
      const shuffled = inputs.map((t) => tf.gather(t, order)) as [Tokens, Tokens];
      expectClose(loss(...shuffled), loss(...inputs), 1e-5);
    });
    it('reads nothing at masked words, and skips an empty report with finite gradients', () => {
      const [images, words, wordMask] = [x(), x(), emptySecond()];
      const broken = tf.where(tf.expandDims(tf.greater(wordMask, 0), 2), words, Number.NaN) as Tokens;
      const f = (v: tf.Tensor, w: tf.Tensor) => loss(v as Tokens, w as Tokens, { wordMask }) as tf.Scalar;
      expectClose(f(images, broken), f(images, words), 0);
      const gradients = tf.grads(f)([images, broken]);
      finite(gradients);
      expectClose(tf.slice(gradients[1]!, [1, 0, 0], [1, 3, 4]), new Float32Array(12), 0);
      const rows = loss(images, words, { wordMask, reduction: 'none' }).dataSync();
      expect(rows[1]).toBe(0);
      expectClose(f(images, words), (rows[0]! + rows[2]!) / 2);
    });
    it('stays finite at temperature 0.01 and for tokens of zeros', () => {
      const f = (v: tf.Tensor, w: tf.Tensor) => loss(v as Tokens, w as Tokens, { temperature: 0.01 }) as tf.Scalar;
      for (const inputs of [
        [tf.zeros([3, 3, 4]), x()],
        [tf.ones([3, 3, 4]), tf.ones([3, 3, 4])],
        [x(), tf.zeros([3, 3, 4])],
      ])
        finite([f(inputs[0]!, inputs[1]!), ...tf.grads(f)(inputs)]);
    });
    it('leaves nothing behind, with a gradient or without', () => {
      const [images, words, wordMask] = [x(), x(), emptySecond()];
      expectNoLeak(() => loss(images, words, { wordMask }), [images, words, wordMask]);
      for (const chunkSize of [undefined, 2]) {
        const f = (v: tf.Tensor, w: tf.Tensor) => loss(v as Tokens, w as Tokens, { wordMask, chunkSize });
        expectNoLeak(() => tf.grads(f)([images, words]), [images, words, wordMask]);
      }
    });
    it('names what is wrong', () => {
      expect(() => loss(x(), tf.ones([2, 3, 4]))).toThrow(ShapeError);
      expect(() => loss(x(), x(), { wordMask: tf.ones([3, 2]) })).toThrow(/wordMask/);
      const empty = tf.zeros([3, 3]) as Matrix;
      expect(() => loss(x(), x(), { wordMask: empty })).toThrow(/wordMask: expected at least one valid token/);
    });
  });

  it('gives ln n per direction when all logits are equal', () => {
    for (const chunkSize of [undefined, 2]) {
      const same = tf.ones([5, 4]) as Matrix;
      expectClose(infoNce(same, same, { directions: 'forward', chunkSize }), Math.log(5), 1e-6);
      expectClose(infoNce(same, same, { chunkSize }), 2 * Math.log(5), 1e-6);
    }
    const tokens = tf.ones([2, 3, 4]) as Tokens;
    expectClose(wordRegionLoss(tokens, tokens), 2 * Math.log(3), 1e-6);
    expectClose(wordRegionLoss(tokens, tokens, { negatives: 'pairs' }), 2 * Math.log(9), 1e-6);
    expectClose(wordRegionLoss(tokens, tokens, { negatives: 'batch' }), 2 * Math.log(6), 1e-6);
    expectClose(imageRegionLoss(tokens, tokens), 2 * Math.log(2), 1e-6);
  });

  it('keeps logits of ±10,000 apart', () => {
    const u = tf.tensor2d([[100, 0], [0, -100]]); // biome-ignore format: a matrix
    const v = tf.tensor2d([[100, 0], [100, 0]]); // biome-ignore format: a matrix
    for (const chunkSize of [undefined, 1]) {
      const raw = { temperature: 1, normalize: false, chunkSize } as const;
      // logits [[1e4, 1e4], [0, 0]]: ln 2 per row; columns 0 and 1e4
      expectClose(infoNce(u, v, { ...raw, reduction: 'none' }), [Math.LN2, Math.LN2 + 1e4], 1e-3);
      expectClose(sigmoidContrastive(u, v, { ...raw, bias: 0, reduction: 'none' }), [1e4, 2 * Math.LN2], 1e-6);
      const f = (x: tf.Tensor, y: tf.Tensor) =>
        tf.add(infoNce(x as Matrix, y as Matrix, raw), sigmoidContrastive(x as Matrix, y as Matrix, raw));
      finite(tf.grads(f)([u, v]));
    }
  });

  it('infoNce skips rows without a positive, per direction, and wants one at least', () => {
    const [u, v] = [a(), a()];
    const first = tf.tensor2d([1, 0, 0, 0, 0, 0, 0, 0, 0], [3, 3]);
    const only = infoNce(u, v, { positives: first, reduction: 'none' }).dataSync();
    expect([only[1], only[2]]).toEqual([0, 0]);
    expectClose(infoNce(u, v, { positives: first }), only[0]!);
    expectClose(infoNce(u, v, { positives: tf.eye(3) }), infoNce(u, v), 1e-6);
    expect(() => infoNce(u, v, { positives: tf.zeros([3, 3]) })).toThrow(OptionError);
    const wide = { positives: tf.ones([3, 2]) as Matrix, reduction: 'none' } as const;
    expect(() => infoNce(u, tf.ones([2, 4]), wide)).toThrow(/n = 3, m = 2; use directions: 'forward'/);
    expect(infoNce(u, tf.ones([2, 4]), { ...wide, directions: 'forward' }).shape).toEqual([3]);
  });

  it('weighs directions', () => {
    const [u, v] = [a(), a()];
    const [forward, both] = [infoNce(u, v, { directions: 'forward' }), infoNce(u, v)];
    const backward = tf.sub(both, forward);
    expectClose(infoNce(v, u, { directions: 'forward' }), backward);
    const expected = tf.add(tf.mul(forward, 0.75), tf.mul(backward, 0.25));
    expectClose(infoNce(u, v, infoNcePresets.convirt), expected);
    expect(() => infoNce(u, v, { directions: { forward: 0, backward: 0 } })).toThrow(/weight above 0/);
  });

  it('a straight-through keyword mask is 0/1 forward and reaches every word backward', () => {
    const [v, w] = [x(), x()];
    const wordMask = tf.tensor2d([1, 1, 1, 1, 1, 0, 1, 1, 1], [3, 3]);
    const hard = tf.tensor2d([1, 0, 1, 1, 0, 0, 0, 0, 1], [3, 3]);
    const rough = tf.add(hard, tf.tensor2d([1e-7, -1e-7, 0, 0, 1e-7, 0, 0, 0, 0], [3, 3])) as Matrix;
    const run = (keywordMask: tf.Tensor) => wordRegionLoss(v, w, { wordMask, keywordMask: keywordMask as Matrix });
    const image = (keywordMask: tf.Tensor) => imageRegionLoss(w, v, { wordMask, keywordMask: keywordMask as Matrix });
    for (const f of [run, image]) {
      expectClose(f(rough), f(hard), 1e-5);
      const gradient = tf.grad(f)(rough).dataSync();
      // 5 is the padded word
      gradient.forEach((g, i) => {
        expect(g !== 0).toBe(i !== 5);
      });
    }
    expect(() => run(tf.zeros([3, 3]))).toThrow(/keywordMask: expected at least one keyword/);
  });
});

it('has the type of its reduction', () => {
  const x = tf.ones([2, 2]) as Matrix;
  const scalar: tf.Scalar = infoNce(x, x);
  const rows: tf.Tensor1D = infoNce(x, x, { reduction: 'none' });
  expect([scalar.rank, rows.rank]).toEqual([0, 1]);
});
