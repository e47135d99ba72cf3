import { expectClose, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { it } from 'vitest';
import {
  filipLoss,
  gloriaLocalLoss,
  imageRegionLoss,
  infoNce,
  semanticMatchingLoss,
  sigmoidContrastive,
  softTargetContrastive,
  tokenAlignmentLoss,
  wordRegionLoss,
} from './index';

// The formulas of the docstrings, in float64, one number at a time.
type Row = number[];
const sum = (x: Row) => x.reduce((a, b) => a + b, 0);
const average = (x: Row) => sum(x) / x.length;
const dot = (x: Row, y: Row) => sum(x.map((v, i) => v * y[i]!));
const unit = (x: Row) => x.map((v) => v / Math.max(Math.sqrt(dot(x, x)), 1e-12));
const cosine = (x: Row, y: Row) => dot(unit(x), unit(y));
const lse = (x: Row) => Math.max(...x) + Math.log(sum(x.map((v) => Math.exp(v - Math.max(...x)))));
const softmax = (x: Row) => x.map((v) => Math.exp(v - lse(x)));
const column = (z: Row[], j: number) => z.map((row) => row[j]!);
const blend = (weights: Row, rows: Row[]) => rows[0]!.map((_, k) => sum(weights.map((w, j) => w * rows[j]![k]!)));
const kept = <T>(rows: T[], mask: Row) => rows.filter((_, i) => mask[i]);
const crossEntropy = (z: Row, target: Row) => sum(target.map((t, j) => t * (lse(z) - z[j]!)));
const cosines = (a: Row[], b: Row[], tau: number) => a.map((x) => b.map((y) => cosine(x, y) / tau));
const transposed = (z: Row[]) => z[0]!.map((_, j) => column(z, j));
const both = (z: Row[], t: Row[], tBack = t) =>
  average(z.map((row, i) => crossEntropy(row, t[i]!))) +
  average(transposed(z).map((row, j) => crossEntropy(row, column(tBack, j))));
const identity = (n: number) => Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => +(i === j)));
const matched = (scores: Row[], has: boolean[], tau: number) =>
  average(
    scores.flatMap((row, n) =>
      has[n]
        ? [
            lse(kept(column(scores, n), has.map(Number)).map((s) => s / tau)) +
              lse(row.map((s) => s / tau)) -
              (2 * row[n]!) / tau,
          ]
        : [],
    ),
  );

const rows = (x: tf.Tensor) => x.arraySync() as Row[];
const tokens = (x: tf.Tensor) => x.arraySync() as Row[][];

/** Random sizes and masks; the first report has a word, the first row a positive. */
const cases = fc.record({
  seed: fc.integer({ min: 1, max: 1e6 }),
  b: fc.integer({ min: 1, max: 4 }),
  l: fc.integer({ min: 1, max: 4 }),
  p: fc.integer({ min: 1, max: 5 }),
  chunkSize: fc.constantFrom(undefined, 1, 2, 3),
});
const setting = ({ seed, b, l, p }: { seed: number; b: number; l: number; p: number }) => {
  const r = random(seed);
  const mask = (n: number, m: number, share: number) =>
    Array.from({ length: n }, (_, i) => Array.from({ length: m }, (_, j) => +(i + j === 0 || r.uniform() < share)));
  return {
    image: r.tensor<tf.Rank.R2>([b, 3]),
    text: r.tensor<tf.Rank.R2>([b, 3]),
    words: r.tensor<tf.Rank.R3>([b, l, 3]),
    regions: r.tensor<tf.Rank.R3>([b, l, 3]),
    pixels: r.tensor<tf.Rank.R3>([b, p, 3]),
    wordMask: mask(b, l, 0.6),
    pixelMask: mask(b, p, 0.7).map((row) => [1, ...row.slice(1)]),
    positives: mask(b, b, 0.4),
  };
};

onEveryEngine('plain-loop twins', () => {
  const check = (property: (s: ReturnType<typeof setting>, chunkSize: number | undefined) => void) =>
    fc.assert(
      fc.property(cases, (sizes) => tf.tidy(() => property(setting(sizes), sizes.chunkSize))),
      { numRuns: 8, seed: 5 },
    );

  it('infoNce, one and many positives', () =>
    check(({ image, text, positives }, chunkSize) => {
      const z = cosines(rows(image), rows(text), 0.3);
      expectClose(infoNce(image, text, { temperature: 0.3, chunkSize }), both(z, identity(z.length)));
      const oneWay = (logits: Row[], on: Row[]) =>
        average(logits.flatMap((row, i) => (sum(on[i]!) ? [lse(row) - lse(kept(row, on[i]!))] : [])));
      const expected = oneWay(z, positives) + oneWay(transposed(z), transposed(positives));
      expectClose(infoNce(image, text, { temperature: 0.3, positives: tf.tensor2d(positives), chunkSize }), expected);
    }));

  it('sigmoidContrastive', () =>
    check(({ image, text }, chunkSize) => {
      const z = cosines(rows(image), rows(text), 0.2).map((row) => row.map((v) => v - 2));
      const expected = average(z.map((row, i) => sum(row.map((v, j) => Math.log1p(Math.exp(i === j ? -v : v))))));
      expectClose(sigmoidContrastive(image, text, { temperature: 0.2, bias: -2, chunkSize }), expected);
    }));

  it('semanticMatchingLoss and softTargetContrastive', () =>
    check(({ image, text, positives }) => {
      const z = cosines(rows(image), rows(text), 0.3);
      const labels = tf.tensor2d(positives);
      const s = positives.map((x) => positives.map((y) => cosine(x, y)));
      const back = transposed(transposed(s).map(softmax));
      expectClose(
        semanticMatchingLoss(image, text, { imageLabels: labels, textLabels: labels, temperature: 0.3 }),
        both(z, s.map(softmax), back) / 2,
      );
      const n = z.length;
      const soft = identity(n).map((row) => row.map((on) => (n === 1 ? 1 : on ? 0.8 : 0.2 / (n - 1))));
      expectClose(softTargetContrastive(image, text, { temperature: 0.3 }), both(z, soft) / 2);
    }));

  it('wordRegionLoss with every kind of negatives', () =>
    check(({ regions, words, wordMask }) => {
      const [v, w] = [tokens(regions), tokens(words)];
      const every = wordMask.flatMap((row, n) => row.flatMap((on, i) => (on ? [[n, i] as const] : [])));
      for (const negatives of ['report', 'pairs', 'batch'] as const) {
        const reports = wordMask.flatMap((mask, n) => {
          const inside = every.filter(([m]) => m === n);
          const pool = negatives === 'batch' ? every : inside;
          const pairs = lse(inside.flatMap(([, i]) => inside.map(([, j]) => cosine(v[n]![i]!, w[n]![j]!) / 0.2)));
          const term = (i: number) => {
            const own = cosine(v[n]![i]!, w[n]![i]!) / 0.2;
            if (negatives === 'pairs') return 2 * (pairs - own);
            const f = lse(pool.map(([m, j]) => cosine(v[n]![i]!, w[m]![j]!) / 0.2));
            return f + lse(pool.map(([m, j]) => cosine(v[m]![j]!, w[n]![i]!) / 0.2)) - 2 * own;
          };
          return sum(mask) ? [average(inside.map(([, i]) => term(i)))] : [];
        });
        const options = { temperature: 0.2, negatives, wordMask: tf.tensor2d(wordMask) };
        expectClose(wordRegionLoss(regions, words, options), average(reports));
      }
    }));

  it('imageRegionLoss with every attention', () =>
    check(({ words, pixels, wordMask, pixelMask }, chunkSize) => {
      const [w, v] = [tokens(words), tokens(pixels)];
      for (const attention of ['linear', 'softmax', 'relu'] as const) {
        const weigh = { linear: (s: number) => s, softmax: Math.exp, relu: (s: number) => Math.max(s, 0) }[attention];
        const scores = w.map((report, n) =>
          v.map((image, m) => {
            const on = kept(image, pixelMask[m]!);
            const each = kept(report, wordMask[n]!).map((word) =>
              cosine(
                blend(
                  on.map((x) => weigh(dot(word, x) / Math.sqrt(3))),
                  on,
                ),
                word,
              ),
            );
            return each.length ? average(each) : 0;
          }),
        );
        const masks = { wordMask: tf.tensor2d(wordMask), pixelMask: tf.tensor2d(pixelMask) };
        expectClose(
          imageRegionLoss(words, pixels, { ...masks, attention, chunkSize }),
          matched(
            scores,
            wordMask.map((row) => sum(row) > 0),
            0.1,
          ),
          1e-4,
        );
      }
    }));

  it('imageRegionLoss by the smooth maximum, with and without pixel weights', () =>
    check(({ words, pixels, wordMask, pixelMask }, chunkSize) => {
      const weights = pixelMask.map((row) => row.map((on, j) => on * (1 + (j % 3))));
      for (const pixelWeights of [undefined, weights]) {
        const scores = tokens(words).map((report, n) =>
          tokens(pixels).map((image, m) => {
            const q = (pixelWeights ?? pixelMask)[m]!.filter((_, j) => pixelMask[m]![j]);
            const on = kept(image, pixelMask[m]!);
            const each = kept(report, wordMask[n]!).map((word) =>
              on.length ? 0.3 * lse(on.map((x, j) => Math.log(q[j]! / sum(q)) + cosine(word, x) / 0.3)) : 0,
            );
            return each.length ? average(each) : 0;
          }),
        );
        const options = {
          wordMask: tf.tensor2d(wordMask),
          pixelMask: tf.tensor2d(pixelMask),
          pixelWeights: pixelWeights && tf.tensor2d(pixelWeights),
          similarity: { kind: 'cosine' },
          attention: 'softmax',
          attentionTemperature: 0.3,
          wordScore: 'smoothMax',
          chunkSize,
        } as const;
        const has = wordMask.map((row) => sum(row) > 0);
        expectClose(imageRegionLoss(words, pixels, options), matched(scores, has, 0.1), 1e-4);
      }
    }));

  it('gloriaLocalLoss', () =>
    check(({ words, pixels, wordMask, pixelMask }, chunkSize) => {
      const scores = tokens(words).map((report, n) =>
        tokens(pixels).map((image, m) => {
          const [on, w] = [kept(image, pixelMask[m]!), kept(report, wordMask[n]!)];
          const overWords = on.map((x) => softmax(w.map((word) => dot(word, x))));
          const seen = w.map((_, i) => blend(softmax(column(overWords, i).map((a) => 4 * a)), on));
          return w.length ? lse(w.map((word, i) => 5 * cosine(word, seen[i]!))) : 0;
        }),
      );
      const masks = { wordMask: tf.tensor2d(wordMask), pixelMask: tf.tensor2d(pixelMask) };
      const expected = matched(
        scores,
        wordMask.map((row) => sum(row) > 0),
        0.1,
      );
      expectClose(gloriaLocalLoss(pixels, words, { ...masks, chunkSize }), expected, 1e-4);
    }));

  it('tokenAlignmentLoss', () =>
    check(({ words, pixels, wordMask, pixelMask }) => {
      const side = (own: Row[], other: Row[]) => {
        const seen = own.map((x) => blend(softmax(other.map((y) => dot(x, y) / 0.1)), other));
        const z = cosines(own, seen, 0.1);
        return both(z, identity(z.length)) / 2;
      };
      const samples = wordMask.flatMap((mask, n) => {
        const w = kept(tokens(words)[n]!, mask).map(unit);
        const v = kept(tokens(pixels)[n]!, pixelMask[n]!).map(unit);
        return w.length ? [side(v, w) + side(w, v)] : [];
      });
      const masks = { wordMask: tf.tensor2d(wordMask), patchMask: tf.tensor2d(pixelMask) };
      expectClose(tokenAlignmentLoss(pixels, words, masks), average(samples), 1e-4);
    }));

  it('filipLoss', () =>
    check(({ words, pixels, wordMask, pixelMask }) => {
      const has = wordMask.map((row) => sum(row) > 0);
      const [w, v] = [tokens(words), tokens(pixels)];
      const late = (a: Row[], b: Row[]) => average(a.map((x) => Math.max(...b.map((y) => cosine(x, y) / 0.07))));
      const image = v.map((x, n) => kept(x, pixelMask[n]!));
      const report = w.map((x, n) => kept(x, wordMask[n]!));
      const terms = image.flatMap((x, n) => {
        if (!has[n]) return [];
        const forward = lse(report.filter((y) => y.length).map((y) => late(x, y))) - late(x, report[n]!);
        return [(forward + lse(image.map((y) => late(report[n]!, y))) - late(report[n]!, x)) / 2];
      });
      const masks = { wordMask: tf.tensor2d(wordMask), patchMask: tf.tensor2d(pixelMask) };
      expectClose(filipLoss(pixels, words, masks), average(terms), 1e-4);
    }));
});
