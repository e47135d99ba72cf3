import { imageRegionLoss, infoNce } from '@medalign/losses';
import { wordPixelSimilarity } from '@medalign/similarity';
import { checkGradient, expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import type { AlignmentInputs, AlignmentOptions } from './options';
import { refineAlignment } from './refine-alignment';

const [b, l, p, d] = [2, 5, 6, 4];

const ones = (counts: number[], length: number) =>
  tf.tensor2d(counts.map((n) => Array.from({ length }, (_, i) => Number(i < n))));

function batch(seed = 1, [l, p, d] = [5, 6, 4] as [number, number, number]) {
  const r = random(seed);
  return {
    words: r.tensor<tf.Rank.R3>([b, l, d], 1.5),
    pixels: r.tensor<tf.Rank.R3>([b, p, d]),
    projectedPixels: r.tensor<tf.Rank.R3>([b, p, d], 1.5),
    regionProjection: r.tensor<tf.Rank.R2>([d, d]),
    alpha: tf.scalar(0.8),
    beta: tf.scalar(1.2),
    wordMask: ones([l, l - 1], l),
    pixelMask: ones([p, p - 2], p),
    globalImage: r.tensor<tf.Rank.R2>([b, d]),
    globalText: r.tensor<tf.Rank.R2>([b, d]),
  } satisfies AlignmentInputs;
}

const differentiable = [
  'words',
  'pixels',
  'projectedPixels',
  'regionProjection',
  'alpha',
  'beta',
  'globalImage',
  'globalText',
] as const;

const finite = (x: tf.Tensor) => [...x.dataSync()].every(Number.isFinite);

/** Gradients of the loss by the name of the input; 0 for those it does not depend on. */
function gradients(inputs: AlignmentInputs, options: AlignmentOptions) {
  const names = differentiable.filter((name) => inputs[name] instanceof tf.Tensor);
  const found = tf.grads((...given: tf.Tensor[]) => {
    const moved = { ...inputs, ...Object.fromEntries(names.map((name, i) => [name, given[i]!])) };
    const unused = tf.addN(given.map((x) => tf.mul(tf.sum(x), 0)));
    return tf.add(refineAlignment(moved, options).loss, unused) as tf.Scalar;
  })(names.map((name) => inputs[name] as tf.Tensor));
  return Object.fromEntries(names.map((name, i) => [name, found[i]!])) as Record<(typeof names)[number], tf.Tensor>;
}

onEveryEngine('refineAlignment', () => {
  const reencode = (inputs: AlignmentInputs): AlignmentOptions => ({
    features: 'reencode',
    encodeWords: (left, t) => ({
      words: tf.mul(inputs.words, tf.add(tf.expandDims(left, 2), 0.3 * t)) as tf.Tensor3D,
      globalText: inputs.globalText!,
    }),
  });

  describe('gradients', () => {
    it.each([
      ['report', {}],
      ['images', { negatives: 'images', attention: 'softmax', attentionTemperature: 0.7 }],
      ['initial, pairs', { local: 'initial', negatives: 'pairs' }],
      ['expected, batch', { weighting: 'expected', negatives: 'batch' }],
    ] as [string, AlignmentOptions][])('agree with finite differences for every input (%s)', (_, options) => {
      const inputs = batch(1, [3, 4, 2]);
      const gentle = { iterations: 2, localTemperature: 0.8, globalTemperature: 0.8, ...options };
      checkGradient(
        (...given) => {
          const moved = { ...inputs, ...Object.fromEntries(differentiable.map((name, i) => [name, given[i]!])) };
          const unused = tf.mul(tf.sum(given[4]!), 0);
          return tf.add(refineAlignment(moved, gentle).loss, unused) as tf.Scalar;
        },
        differentiable.map((name) => inputs[name]),
        { step: 1e-3, tolerance: 2e-2 },
      );
    });

    it('agree with finite differences by the smooth maximum, and equal the plain loss', () => {
      const { regionProjection: _, ...inputs } = batch(6, [3, 4, 2]);
      const gentle: AlignmentOptions = {
        iterations: 2,
        localTemperature: 0.8,
        similarity: { kind: 'cosine' },
        negatives: 'images',
        attention: 'softmax',
        attentionTemperature: 0.7,
        wordScore: 'smoothMax',
      };
      const names = ['words', 'projectedPixels', 'alpha', 'beta'] as const;
      checkGradient(
        (...given) => {
          const moved = { ...inputs, ...Object.fromEntries(names.map((name, i) => [name, given[i]!])) };
          return refineAlignment(moved, gentle).loss;
        },
        names.map((name) => inputs[name]),
        { step: 1e-3, tolerance: 2e-2 },
      );
      const { iterations } = refineAlignment(inputs, { ...gentle, iterations: 1 });
      const { coImportance, keywordMask, losses } = iterations[0]!;
      const plain = imageRegionLoss(inputs.words, inputs.projectedPixels, {
        similarity: { kind: 'cosine' },
        attention: 'softmax',
        attentionTemperature: 0.7,
        wordScore: 'smoothMax',
        temperature: 0.8,
        pixelWeights: coImportance.pixelWeights,
        keywordMask,
        wordMask: inputs.wordMask,
        pixelMask: inputs.pixelMask,
      });
      expectClose(losses.local!, plain, 1e-6);
    });

    it("fact 10: in 'initial', α is reached through the straight-through selection alone", () => {
      const inputs = batch();
      const size = (options: AlignmentOptions, name: 'alpha' | 'beta') =>
        Math.abs(gradients(inputs, { selection: { noise: false }, ...options })[name]!.dataSync()[0]!);
      expect(size({ local: 'initial' }, 'alpha')).toBe(0);
      expect(size({ local: 'initial', training: true }, 'alpha')).toBeGreaterThan(1e-4);
      expect(size({ local: 'initial' }, 'beta')).toBeGreaterThan(1e-4);
      expect(size({}, 'alpha')).toBeGreaterThan(1e-5);
    });
  });

  describe('iterations', () => {
    it("fact 5: with 'reuse', δ = 0.1 and 0.9 give the same bits", () => {
      const inputs = batch();
      const bits = (delta: number) => {
        const options = { delta, training: true, seed: 3 };
        const { loss, iterations } = refineAlignment(inputs, options);
        const of = [loss, ...iterations.flatMap((i) => [i.similarity, i.regions!, i.keywordMask])];
        return [...of, ...Object.values(gradients(inputs, options))].map((x) => [...x.dataSync()]);
      };
      expect(bits(0.1)).toEqual(bits(0.9));
    });

    it('theorem 1: for a fixed mask the recursion is Σ_k δ(1−δ)^k S_{t−k} + (1−δ)^t S_1', () => {
      const inputs = batch();
      const [T, delta] = [4, 0.3];
      const encoded = Array.from({ length: T + 1 }, (_, t) => random(50 + t).tensor<tf.Rank.R3>([b, l, d]));
      const { iterations } = refineAlignment(inputs, {
        iterations: T,
        delta,
        keepRatio: 1,
        features: 'reencode',
        encodeWords: (_, t) => ({ words: encoded[t]!, globalText: inputs.globalText }),
      });
      const masked = (x: tf.Tensor3D, mask: tf.Tensor2D) => tf.mul(x, tf.expandDims(mask, 2)) as tf.Tensor3D;
      const S = [...Array(T).keys()].map((t) =>
        wordPixelSimilarity(
          masked(t === 0 ? inputs.words : encoded[t + 1]!, inputs.wordMask),
          masked(inputs.projectedPixels, inputs.pixelMask),
        ),
      );
      for (let t = 1; t <= T; t++) {
        const terms = [tf.mul(S[0]!, (1 - delta) ** t)];
        for (let k = 0; k < t; k++) terms.push(tf.mul(S[t - 1 - k]!, delta * (1 - delta) ** k));
        expectClose(iterations[t - 1]!.similarity, tf.addN(terms), 1e-6);
      }
    });

    it('keeps shapes and shrinks the words: 5, 4, 3 and 4, 3, 3', () => {
      const { iterations } = refineAlignment(batch());
      const kept = iterations.map(({ keywordMask }) => [...tf.sum(keywordMask, 1).dataSync()]);
      expect(kept).toEqual([
        [4, 3],
        [3, 3],
        [3, 3],
      ]);
      const masks = iterations.map(({ keywordMask }) => keywordMask.dataSync());
      masks.slice(1).forEach((mask, t) => {
        mask.forEach((value, i) => {
          expect(value).toBeLessThanOrEqual(masks[t]![i]!);
        });
      });
      for (const { similarity, regions } of iterations) {
        expect(similarity.shape).toEqual([b, l, p]);
        expect(regions!.shape).toEqual([b, l, d]);
      }
    });

    it('is the mean over iterations of the weighted losses', () => {
      const { loss, iterations } = refineAlignment(batch(), { weights: { global: 2, local: 0.5 } });
      const terms = iterations.map(
        ({ losses }) => 2 * losses.global!.dataSync()[0]! + 0.5 * losses.local!.dataSync()[0]!,
      );
      expectClose(loss, [terms.reduce((x, y) => x + y) / 3]);
    });

    it('asks the encoder from the second iteration on, with the words that are left', () => {
      const inputs = batch();
      const calls: [number, number[]][] = [];
      const { iterations } = refineAlignment(inputs, {
        features: 'reencode',
        encodeWords: (left, t) => {
          calls.push([t, [...left.dataSync()]]);
          return { words: inputs.words, globalText: inputs.globalText };
        },
      });
      expect(calls).toEqual([2, 3].map((t) => [t, [...iterations[t - 2]!.keywordMask.dataSync()]]));
    });

    it('re-encoding to the same words gives what reusing gives', () => {
      const inputs = batch();
      const encodeWords = () => ({ words: inputs.words, globalText: inputs.globalText });
      const [reused, encoded] = [
        refineAlignment(inputs),
        refineAlignment(inputs, { features: 'reencode', encodeWords }),
      ];
      expectClose(encoded.loss, reused.loss, 1e-6);
    });

    it('draws other noise in each iteration, and the same again from the same seed', () => {
      const inputs = { words: tf.ones([1, 40, 2]), pixels: tf.ones([1, 3, 2]) } as AlignmentInputs;
      const masks = (seed: number, iterations = 2, keepRatio = 0.5) =>
        refineAlignment(inputs, { iterations, keepRatio, training: true, seed }).iterations.map((i) => [
          ...i.keywordMask.dataSync(),
        ]);
      expect(masks(1)).toEqual(masks(1));
      expect(masks(1)).not.toEqual(masks(2));
      // all words are alike: the same noise twice would pick the 10 best of the first draw
      expect(masks(1)[1]).not.toEqual(masks(1, 1, 0.25)[0]);
    });
  });

  describe('switches', () => {
    it("fact 6: 'none' is the global loss alone: ln n per direction when all logits are equal", () => {
      const inputs = { ...batch(), globalImage: tf.ones([b, d]), globalText: tf.ones([b, d]) } as AlignmentInputs;
      const value = (directions: 'sum' | 'mean' | 'forward') =>
        refineAlignment(inputs, { local: 'none', directions }).loss.dataSync()[0]!;
      expectClose([value('sum'), value('mean'), value('forward')], [2 * Math.LN2, Math.LN2, Math.LN2], 1e-6);
      const { iterations } = refineAlignment(inputs, { local: 'none' });
      expect(iterations.length).toBe(1);
      expect(iterations[0]!.losses.local).toBeUndefined();
      expect([...gradients(batch(), { local: 'none' }).words!.dataSync()].every((g) => g === 0)).toBe(true);
    });

    it("'initial' takes Φ for Φref, in one iteration that still selects", () => {
      const { iterations } = refineAlignment(batch(), { local: 'initial' });
      expect(iterations.length).toBe(1);
      const { coImportance, keywordMask } = iterations[0]!;
      expectClose(coImportance.wordWeights, coImportance.wordPrior, 0);
      expectClose(coImportance.pixelWeights, coImportance.pixelPrior, 0);
      expectClose(tf.sum(keywordMask, 1), [4, 3]);
    });

    it('without globals there is no global loss; positives change it', () => {
      const { globalImage, globalText, ...local } = batch();
      const [result] = refineAlignment(local).iterations;
      expect(result!.losses.global).toBeUndefined();
      expectClose(refineAlignment(local, { iterations: 1 }).loss, result!.losses.local!, 1e-6);
      const all = { ...local, globalImage, globalText, positives: tf.ones([b, b]) as tf.Tensor2D };
      expectClose(refineAlignment(all).iterations[0]!.losses.global!, [0], 1e-6);
    });

    it('with gather the global loss is over the rows of all replicas, in every round, and the local loss over the own', () => {
      const own = batch(3);
      const other = { image: random(8).tensor<tf.Rank.R2>([3, d]), text: random(9).tensor<tf.Rank.R2>([3, d]) };
      const gather = (rows: tf.Tensor2D) =>
        tf.concat([rows, rows === own.globalImage ? other.image : other.text]) as tf.Tensor2D;
      const options = { iterations: 2, features: 'reencode', encodeWords: () => own } as const;
      const gathered = refineAlignment(own, { ...options, gather });
      const alone = refineAlignment(own, options);
      const all = infoNce(tf.concat([own.globalImage, other.image]), tf.concat([own.globalText, other.text]), {
        temperature: 0.1,
      });
      for (const [t, { losses }] of gathered.iterations.entries()) {
        expectClose(losses.global!, all, 1e-6);
        expectClose(losses.local!, alone.iterations[t]!.losses.local!, 0);
      }
      expect(tf.sub(alone.iterations[0]!.losses.global!, all).dataSync()[0]).not.toBeCloseTo(0, 3);
      const positives = tf.ones([b + 3, b + 3]) as tf.Tensor2D;
      expectClose(refineAlignment({ ...own, positives }, { gather }).iterations[0]!.losses.global!, [0], 1e-6);
    });

    it("pool 'projected' averages unit G: regions equal a plain loop, I has no part in the local loss", () => {
      const { regionProjection: _, globalImage: __, globalText: ___, ...inputs } = batch(5);
      const options = {
        iterations: 1,
        pool: 'projected',
        attention: 'softmax',
        similarity: { kind: 'cosine' },
        negatives: 'images',
      } as const;
      const { iterations } = refineAlignment(inputs, options);
      const { regions, coImportance } = iterations[0]!;
      const [W, G] = [inputs.words.arraySync(), inputs.projectedPixels.arraySync()];
      const unit = (v: number[]) => v.map((x) => x / Math.hypot(...v));
      const q = coImportance.pixelWeights.arraySync() as number[][];
      const expected = W.flatMap((words, n) =>
        words.flatMap((word, i) => {
          if (i >= [l, l - 1][n]!) return Array.from({ length: d }, () => 0);
          const keys = G[n]!.slice(0, [p, p - 2][n]!).map(unit);
          const weights = keys.map(
            (key, j) => q[n]![j]! * Math.exp(key.reduce((sum, x, k) => sum + x * unit(word)[k]!, 0) / 0.1),
          );
          return unit(
            Array.from({ length: d }, (_, k) => keys.reduce((sum, key, j) => sum + weights[j]! * key[k]!, 0)),
          );
        }),
      );
      expectClose(regions!, expected, 1e-5);
      const other = refineAlignment({ ...inputs, pixels: random(9).tensor<tf.Rank.R3>([b, p, d]) }, options);
      expectClose(other.loss, iterations[0]!.losses.local!, 1e-6);
      checkGradient(
        (words, keys) =>
          refineAlignment({ ...inputs, words: words as tf.Tensor3D, projectedPixels: keys as tf.Tensor3D }, options)
            .loss,
        [inputs.words, inputs.projectedPixels],
        { tolerance: 1e-2 },
      );
    });

    it('learns temperatures', () => {
      const inputs = batch();
      checkGradient(
        (local, global) => refineAlignment(inputs, { localTemperature: local, globalTemperature: global }).loss,
        [tf.scalar(0.8), tf.scalar(0.9)],
      );
    });
  });

  describe('padding and edges', () => {
    it('fact 3: garbage in padded places changes no bit of value or gradient; more padding gives 1e-6', () => {
      const clean = batch();
      const spoil = (x: tf.Tensor3D, mask: tf.Tensor2D, garbage: number) =>
        tf.where(tf.expandDims(tf.notEqual(mask, 0), 2), x, garbage) as tf.Tensor3D;
      const run = (garbage: number, negatives: 'report' | 'images') => {
        const inputs = {
          ...clean,
          words: spoil(clean.words, clean.wordMask, garbage),
          pixels: spoil(clean.pixels, clean.pixelMask, garbage),
          projectedPixels: spoil(clean.projectedPixels, clean.pixelMask, garbage),
        };
        const options = { ...reencode(inputs), negatives, training: true, seed: 4 };
        const { loss, iterations } = refineAlignment(inputs, options);
        const values = [
          loss,
          ...iterations.flatMap((i) => i.regions ?? []),
          ...Object.values(gradients(inputs, options)),
        ];
        return values.map((x) => [...x.dataSync()]);
      };
      for (const negatives of ['report', 'images'] as const) {
        for (const garbage of [-5, Number.NaN]) expect(run(garbage, negatives)).toEqual(run(0, negatives));
      }

      const more = (x: tf.Tensor, by: number) =>
        tf.pad(
          x,
          x.shape.map((_, axis) => (axis === 1 ? [0, by] : [0, 0]) as [number, number]),
          x.rank === 2 ? 0 : 9,
        );
      const padded = {
        ...clean,
        words: more(clean.words, 3) as tf.Tensor3D,
        wordMask: more(clean.wordMask, 3) as tf.Tensor2D,
        pixels: more(clean.pixels, 2) as tf.Tensor3D,
        projectedPixels: more(clean.projectedPixels, 2) as tf.Tensor3D,
        pixelMask: more(clean.pixelMask, 2) as tf.Tensor2D,
      };
      expectClose(refineAlignment(padded).loss, refineAlignment(clean).loss, 1e-6);
    });

    it('fact 8: no NaN for one word, a constant image, τ = 0.01 and similarities of ±1e4', () => {
      const r = random(9);
      const base = { globalImage: r.tensor([b, d]), globalText: r.tensor([b, d]) };
      const cases: AlignmentInputs[] = [
        { words: r.tensor([b, 1, d]), pixels: r.tensor([b, p, d]) },
        { words: r.tensor([b, l, d]), pixels: tf.ones([b, p, d]) },
        { words: r.tensor([b, l, d]), pixels: tf.zeros([b, p, d]) },
        { words: tf.ones([b, l, d]), pixels: r.tensor([b, p, d]) },
        { words: r.tensor([b, l, d], 100), pixels: r.tensor([b, p, d], 100) },
      ].map((x) => ({ ...base, ...x }) as AlignmentInputs);
      const variants: AlignmentOptions[] = [
        { weighting: 'expected' },
        { negatives: 'images', attention: 'softmax' },
        { negatives: 'batch', attention: 'relu' },
      ];
      for (const inputs of cases) {
        for (const variant of variants) {
          const options = { training: true, seed: 1, localTemperature: 0.01, globalTemperature: 0.01, ...variant };
          expect(finite(refineAlignment(inputs, options).loss)).toBe(true);
          for (const [name, gradient] of Object.entries(gradients(inputs, options))) {
            expect(finite(gradient), name).toBe(true);
          }
        }
      }
    });

    it.each(['report', 'pairs', 'batch'] as const)('fact 8: an empty report adds nothing (%s)', (negatives) => {
      const { globalImage, globalText, ...inputs } = { ...batch(), wordMask: ones([4, 0], l) };
      const alone = Object.fromEntries(
        Object.entries(inputs).map(([name, x]) => [
          name,
          x.rank > 1 && name !== 'regionProjection' ? tf.slice(x as tf.Tensor, 0, 1) : x,
        ]),
      ) as unknown as AlignmentInputs;
      const [both, first] = [refineAlignment(inputs, { negatives }), refineAlignment(alone, { negatives })];
      expectClose(both.loss, first.loss, 1e-6);
      expectClose(tf.slice(both.iterations[0]!.regions!, 1), Array(l * d).fill(0));
      const found = gradients(inputs, { negatives, training: true, seed: 1 });
      for (const gradient of Object.values(found)) expect(finite(gradient)).toBe(true);
      expectClose(tf.slice(found.words!, 1), Array(l * d).fill(0));
    });

    it('fact 8: a batch without any word is a clear error', () => {
      const inputs = { ...batch(), wordMask: ones([0, 0], l) };
      expect(() => refineAlignment(inputs)).toThrow(/wordMask: expected at least one word in the batch.*Fix/);
    });

    it('leaks nothing', () => {
      const inputs = batch();
      const given = Object.values(inputs);
      expectNoLeak(() => ({ ...refineAlignment(inputs, { training: true, seed: 1 }) }) as never, given);
      expectNoLeak(() => ({ ...refineAlignment(inputs, reencode(inputs)) }) as never, given);
      expectNoLeak(() => ({ ...refineAlignment(inputs, { negatives: 'images' }) }) as never, given);
    });

    it('says what is wrong', () => {
      const inputs = batch();
      const fails = (change: object, options: object, message: RegExp) =>
        expect(() => refineAlignment({ ...inputs, ...change }, options)).toThrow(message);
      fails({ pixels: tf.zeros([b, p, d + 1]) }, {}, /pixels: .*d is 4 in words/);
      fails({ globalText: undefined }, {}, /globalText: .*Fix/);
      fails({ globalImage: undefined, globalText: undefined }, { local: 'none' }, /globalImage/);
      fails({}, { features: 'reencode' }, /encodeWords: .*Fix/);
      fails({}, { wordScore: 'smoothMax' }, /wordScore: expected negatives 'images'.*Fix/);
      const images = { negatives: 'images', attention: 'softmax', wordScore: 'smoothMax' };
      fails({}, images, /regionProjection: expected none.*Fix/);
      fails(
        { regionProjection: undefined },
        { ...images, attention: 'relu' },
        /wordScore: expected 'region' with attention 'relu'/,
      );
      fails({}, { features: 'reencode', encodeWords: () => ({ words: inputs.words }) }, /globalText/);
      fails({}, { features: 'reencode', encodeWords: () => ({ words: tf.ones([b, 2, d]) }) }, /encodeWords.*words/);
      fails({}, { iterations: 0 }, /iterations/);
      fails({}, { delta: 1.5 }, /delta/);
      fails({}, { negatives: 'none' }, /negatives/);
      fails({}, { weights: { local: -1 } }, /weights.local/);
      fails({}, { training: true }, /seed/);
    });
  });
});
