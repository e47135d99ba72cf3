import { expectClose, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type CoImportance, coImportance } from './co-importance';
import { wordPixelSimilarity } from './pairwise';
import { refinedSimilarity, regionFeatures } from './regions';

type Matrix = number[][];
const mean = (x: number[]) => x.reduce((a, b) => a + b, 0) / x.length;
const deviation = (x: number[]) => Math.sqrt(mean(x.map((v) => (v - mean(x)) ** 2)) + 1e-6);
const column = (s: Matrix, j: number) => s.map((row) => row[j]!);

/** Eqs 5–8 and γ' for one sample as plain loops in float64, with the softmax over all pairs written out. */
function literalImportance(s: Matrix, alpha: number, beta: number, w: number) {
  const a = s.map((row) => mean(row) + alpha * deviation(row));
  const b = s[0]!.map((_, j) => mean(column(s, j)) + beta * deviation(column(s, j)));
  const exponentials = a.map((ai) => b.map((bj) => Math.exp(ai + bj)));
  const all = exponentials.flat().reduce((x, y) => x + y, 0);
  const phi = exponentials.map((row) => row.map((e) => e / all));
  const gammaWords = s.map((row, i) => row.reduce((sum, sij, j) => sum + phi[i]![j]! * sij, 0));
  const gammaPixels = s[0]!.map((_, j) => s.reduce((sum, row, i) => sum + phi[i]![j]! * row[j]!, 0));
  const softmax = (x: number[]) => {
    const e = x.map((v) => Math.exp(v));
    return e.map((v) => v / e.reduce((p, q) => p + q, 0));
  };
  const [P, Q] = [softmax(gammaWords.map((g) => w * g)), softmax(gammaPixels.map((g) => w * g))];
  const importance = s.map((row, i) => row.reduce((sum, sij, j) => sum + P[i]! * Q[j]! * sij, 0));
  return { phi, gammaWords, gammaPixels, P, Q, importance };
}

/** Eq 11: the whole l×p×d product, then its average over pixels. */
function literalRegions(s: Matrix, pixels: Matrix, P: number[], Q: number[]): Matrix {
  const product = s.map((row, i) => row.map((sij, j) => pixels[j]!.map((x) => P[i]! * Q[j]! * sij * x)));
  return product.map((perPixel) => pixels[0]!.map((_, k) => mean(column(perPixel, k))));
}

const outer = (p: tf.Tensor2D, q: tf.Tensor2D) => tf.mul(tf.expandDims(p, 2), tf.expandDims(q, 1));

onEveryEngine('facts to prove', () => {
  it('fact 1: factored Φ and regions equal the literal softmax over l×p and average of l×p×d', () => {
    const r = random(1);
    const [similarity, pixels] = [r.tensor<tf.Rank.R3>([1, 6, 7], 1.5), r.tensor<tf.Rank.R3>([1, 7, 5])];
    const s = (similarity.arraySync() as Matrix[])[0]!;
    const joint = coImportance(similarity, { alpha: 0.8, beta: 1.2 });
    const literal = literalImportance(s, 0.8, 1.2, 0.5);
    expectClose(outer(joint.wordPrior, joint.pixelPrior), literal.phi.flat(), 1e-6);
    expectClose(joint.wordRefined, literal.gammaWords, 1e-6);
    expectClose(joint.pixelRefined, literal.gammaPixels, 1e-6);
    expectClose(joint.wordImportance, literal.importance, 1e-6);
    const refined = s.flatMap((row, i) => row.map((sij, j) => literal.P[i]! * literal.Q[j]! * sij));
    expectClose(refinedSimilarity(similarity, joint), refined, 1e-6);
    const averages = literalRegions(s, (pixels.arraySync() as Matrix[])[0]!, literal.P, literal.Q);
    expectClose(regionFeatures(similarity, pixels, joint, { normalize: false }), averages.flat(), 1e-6);
    const units = averages.flatMap((v) => v.map((x) => x / Math.hypot(...v)));
    expectClose(regionFeatures(similarity, pixels, joint), units, 1e-5);
  });

  it('fact 1: so do their gradients', () => {
    const r = random(2);
    const [b, l, p, d] = [2, 4, 5, 3];
    const inputs = [r.tensor([b, l, p], 1.5), r.tensor([b, p, d]), tf.scalar(0.8), tf.scalar(1.2)];
    const [cp, cr] = [r.tensor([b, l, p]), r.tensor([b, l, d])];
    const score = (phi: tf.Tensor, regions: tf.Tensor) =>
      tf.add(tf.sum(tf.mul(phi, cp)), tf.sum(tf.mul(regions, cr))) as tf.Scalar;

    const factored = tf.grads((similarity, pixels, alpha, beta) => {
      const joint = coImportance(similarity as tf.Tensor3D, { alpha, beta });
      const regions = regionFeatures(similarity as tf.Tensor3D, pixels as tf.Tensor3D, joint, { normalize: false });
      return score(outer(joint.wordPrior, joint.pixelPrior), regions);
    })(inputs);
    const literal = tf.grads((S, pixels, alpha, beta) => {
      const spread = (axis: number) =>
        tf.sqrt(tf.add(tf.mean(tf.square(tf.sub(S!, tf.mean(S!, axis, true))), axis, true), 1e-6));
      const a = tf.add(tf.mean(S!, 2, true), tf.mul(spread(2), alpha!));
      const bb = tf.add(tf.mean(S!, 1, true), tf.mul(spread(1), beta!));
      const phi = tf.reshape(tf.softmax(tf.reshape(tf.add(a, bb), [b, l * p])), [b, l, p]);
      const P = tf.softmax(tf.mul(tf.sum(tf.mul(phi, S!), 2), 0.5));
      const Q = tf.softmax(tf.mul(tf.sum(tf.mul(phi, S!), 1), 0.5));
      const refined = tf.mul(outer(P as tf.Tensor2D, Q as tf.Tensor2D), S!);
      const product = tf.mul(tf.reshape(refined, [b, l, p, 1]), tf.reshape(pixels!, [b, 1, p, d]));
      return score(phi, tf.mean(product, 2));
    })(inputs);
    factored.forEach((gradient, i) => {
      expectClose(gradient, literal[i]!, 1e-5);
    });
  });

  it("fact 2: Σγw = Σγp = pᵀ S q, and with it Eq 9's two weights are equal", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }), (seed, l, p) => {
        tf.tidy(() => {
          const similarity = random(seed).tensor<tf.Rank.R3>([1, l, p], 2);
          const joint = coImportance(similarity);
          const total = tf.sum(tf.mul(outer(joint.wordPrior, joint.pixelPrior), similarity));
          expectClose(tf.sum(joint.wordRefined), total, 1e-5);
          expectClose(tf.sum(joint.pixelRefined), total, 1e-5);
        });
      }),
      { numRuns: 20 },
    );
  });

  const everything = (
    words: tf.Tensor3D,
    pixels: tf.Tensor3D,
    masks: { wordMask?: tf.Tensor2D; pixelMask?: tf.Tensor2D },
  ) => {
    const similarity = wordPixelSimilarity(words, pixels);
    const joint = coImportance(similarity, { ...masks, weighting: 'expected' });
    return { ...joint, regions: regionFeatures(similarity, pixels, joint, masks) } as CoImportance & {
      regions: tf.Tensor3D;
    };
  };

  it('fact 3: other garbage in padded places gives the same bits, another padded length gives 1e-6', () => {
    const r = random(3);
    const words = r.tensor<tf.Rank.R3>([2, 4, 3]);
    const pixels = r.tensor<tf.Rank.R3>([2, 5, 3]);
    const mask = (counts: number[], length: number) =>
      tf.tensor2d(counts.map((n) => Array.from({ length }, (_, i) => Number(i < n))));
    const padded = (garbage: number, extra: number) => {
      const fill = (x: tf.Tensor3D, size: number) =>
        tf.where(
          tf.expandDims(tf.notEqual(mask([size, size - 1], x.shape[1] + extra), 0), 2),
          tf.pad3d(x, [
            [0, 0],
            [0, extra],
            [0, 0],
          ]),
          garbage,
        ) as tf.Tensor3D;
      const masks = { wordMask: mask([4, 3], 4 + extra), pixelMask: mask([5, 4], 5 + extra) };
      return everything(fill(words, 4), fill(pixels, 5), masks);
    };
    const reference = padded(0, 2);
    for (const garbage of [1e4, -3, Number.NaN, Number.POSITIVE_INFINITY]) {
      const other = padded(garbage, 2);
      for (const [name, value] of Object.entries(other)) {
        expect([...value.dataSync()], `${name} with ${garbage}`).toEqual([
          ...(reference as never as Record<string, tf.Tensor>)[name]!.dataSync(),
        ]);
      }
    }
    const longer = padded(7, 6);
    for (const [name, value] of Object.entries(longer)) {
      const wanted = (reference as never as Record<string, tf.Tensor>)[name]!;
      expectClose(
        tf.slice(
          value,
          wanted.shape.map(() => 0),
          wanted.shape,
        ),
        wanted,
        1e-6,
      );
    }
    const cut = everything(tf.slice(words, [1, 0, 0], [1, 3, 3]), tf.slice(pixels, [1, 0, 0], [1, 4, 3]), {});
    expectClose(tf.slice(reference.wordImportance, [1, 0], [1, 3]), cut.wordImportance, 1e-6);
    expectClose(tf.slice(reference.regions, [1, 0, 0], [1, 3, 3]), cut.regions, 1e-6);
  });

  it('fact 4: words that look like a block of pixels stand out in P with scaledDot, not with cosine, nor when nothing is planted', () => {
    const [l, p, d] = [97, 49, 768];
    const peak = (planted: boolean, kind: 'scaledDot' | 'cosine', seed: number) =>
      tf.tidy(() => {
        const r = random(seed);
        const [words, pixels] = [r.tensor([l, d]), r.tensor([p, d])];
        const look = tf.tile(tf.slice(pixels, [10, 0], [1, d]), [5, 1]);
        const text = planted ? tf.concat([look, tf.slice(words, [5, 0])]) : words;
        const image = planted ? tf.concat([tf.slice(pixels, 0, 10), look, tf.slice(pixels, [15, 0])]) : pixels;
        const similarity = wordPixelSimilarity(
          tf.expandDims(text) as tf.Tensor3D,
          tf.expandDims(image) as tf.Tensor3D,
          { kind },
        );
        return tf.max(coImportance(similarity).wordWeights).dataSync()[0]! * l;
      });
    for (const seed of [4, 5]) {
      expect(peak(true, 'scaledDot', seed)).toBeGreaterThan(6);
      expect(peak(true, 'scaledDot', seed)).toBeLessThan(11);
      expect(peak(true, 'cosine', seed)).toBeLessThanOrEqual(1.001);
      expectClose([peak(false, 'scaledDot', seed)], [1], 0.005);
    }
  });

  it('fact 9: the region of a word is a linear image of that word, V_i = C W_i', () => {
    const [b, l, p, d] = [2, 5, 6, 3];
    const r = random(9);
    const [words, pixels, keys] = [r.tensor([b, l, d]), r.tensor([b, p, d]), r.tensor([b, p, d])] as tf.Tensor3D[];
    const similarity = wordPixelSimilarity(words!, keys!);
    const joint = coImportance(similarity);
    const Q = joint.pixelWeights.arraySync();
    const [I, G, W] = [pixels!.arraySync(), keys!.arraySync(), words!.arraySync()];
    const expected = W.map((report, n) => {
      const C = I[n]![0]!.map((_, x) =>
        G[n]![0]!.map((_, y) =>
          Q[n]!.reduce((sum, q, j) => sum + (q * I[n]![j]![x]! * G[n]![j]![y]!) / Math.sqrt(d), 0),
        ),
      );
      return report.map((word) => C.map((row) => row.reduce((sum, c, y) => sum + c * word[y]!, 0)));
    });
    const units = expected.flat().flatMap((v) => v.map((x) => x / Math.hypot(...v)));
    expectClose(regionFeatures(similarity, pixels!, joint), units, 1e-5);
  });
});
