import { checkGradient, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, it } from 'vitest';
import * as losses from './index';

type Loss = (...inputs: tf.Tensor[]) => tf.Tensor;
const r = random(11);
const shapes = { image: [3, 3], text: [3, 3], words: [2, 3, 3], pixels: [2, 4, 3], captions: [2, 3] };
const draw = (...names: (keyof typeof shapes)[]) => names.map((name) => r.tensor(shapes[name]));
const scalars = (...values: number[]) => values.map((value) => tf.scalar(value));
const wordMask = () => tf.tensor2d([[1, 1, 0], [1, 1, 1]]); // biome-ignore format: one row per report
const keywords = () => tf.tensor2d([[1, 0, 0], [1, 0, 1]]); // biome-ignore format: one row per report
const roiMask = () => tf.tensor2d([[1, 1, 0], [1, 1, 1]]); // biome-ignore format: one row per image
const negativeMask = () => tf.tensor2d([[1, 1, 1, 1], [0, 1, 1, 0]]); // biome-ignore format: one row per image
const pixelMask = () => tf.tensor2d([[1, 1, 1, 1], [1, 1, 0, 1]]); // biome-ignore format: one row per image
const positives = () => tf.tensor2d([[1, 1, 0], [0, 0, 0], [0, 1, 1]]); // biome-ignore format: a matrix

/** Every differentiable input of every loss, in the order of the function's parameters. */
const cases: [string, Loss, () => tf.Tensor[]][] = [
  ['infoNce', (a, b, temperature) => losses.infoNce(a as never, b as never, { temperature }), () => [...draw('image', 'text'), ...scalars(0.5)]],
  ['infoNce in chunks, with positives', (a, b, temperature) => losses.infoNce(a as never, b as never, { temperature, positives: positives(), chunkSize: 2 }), () => [...draw('image', 'text'), ...scalars(0.5)]],
  ['infoNce row by row', (a, b, temperature) => losses.infoNce(a as never, b as never, { temperature, reduction: 'none', directions: 'mean' }), () => [...draw('image', 'text'), ...scalars(0.5)]],
  ['sigmoidContrastive', (a, b, temperature, bias) => losses.sigmoidContrastive(a as never, b as never, { temperature, bias, chunkSize: 2 }), () => [...draw('image', 'text'), ...scalars(0.5, -1)]],
  ['semanticMatchingLoss', (a, b, temperature) => losses.semanticMatchingLoss(a as never, b as never, { imageLabels: positives(), textLabels: positives(), temperature }), () => [...draw('image', 'text'), ...scalars(0.5)]],
  ['softTargetContrastive', (a, b, temperature) => losses.softTargetContrastive(a as never, b as never, { temperature }), () => [...draw('image', 'text'), ...scalars(0.5)]],
  ['wordRegionLoss', (v, w, temperature) => losses.wordRegionLoss(v as never, w as never, { temperature, wordMask: wordMask() }), () => [...draw('words', 'words'), ...scalars(0.5)]],
  ['imageRegionLoss', (w, v, temperature, pixelWeights, projection) => losses.imageRegionLoss(w as never, v as never, { temperature, pixelWeights: pixelWeights as never, projection: projection as never, wordMask: wordMask(), attention: 'softmax', chunkSize: 1 }), () => [...draw('words', 'pixels'), ...scalars(0.8), tf.tensor2d([0.6, 0.8, 1, 0.7, 0.9, 0.5, 0.6, 0.7], [2, 4]), r.tensor([3, 3])]],
  ['imageRegionLoss with softmax attention, all images at once', (w, v, keys, pixelWeights) => losses.imageRegionLoss(w as never, v as never, { keys: keys as never, pixelWeights: pixelWeights as never, wordMask: wordMask(), keywordMask: keywords(), pixelMask: pixelMask(), attention: 'softmax', attentionTemperature: 0.7, temperature: 0.8 }), () => [...draw('words', 'pixels', 'pixels'), tf.tensor2d([0.6, 0.8, 1, 0.7, 0.9, 0.5, 0.6, 0.7], [2, 4])]],
  ['imageRegionLoss with relu attention', (w, v, keys, pixelWeights) => losses.imageRegionLoss(w as never, v as never, { keys: keys as never, pixelWeights: pixelWeights as never, wordMask: wordMask(), pixelMask: pixelMask(), attention: 'relu', temperature: 0.8 }), () => [...draw('words', 'pixels'), tf.add(tf.abs(draw('pixels')[0]!), 0.2), tf.tensor2d([0.6, 0.8, 1, 0.7, 0.9, 0.5, 0.6, 0.7], [2, 4])]],
  ['gloriaLocalLoss', (v, w, temperature) => losses.gloriaLocalLoss(v as never, w as never, { temperature, wordMask: wordMask() }), () => [...draw('pixels', 'words'), ...scalars(2)]],
  ['tokenAlignmentLoss', (v, w, temperature) => losses.tokenAlignmentLoss(v as never, w as never, { temperature, attentionTemperature: 0.7, wordMask: wordMask() }), () => [...draw('pixels', 'words'), ...scalars(0.5)]],
  ['filipLoss', (v, w, temperature) => losses.filipLoss(v as never, w as never, { temperature, wordMask: wordMask() }), () => [...draw('pixels', 'words'), ...scalars(0.5)]],
  ['temperatureFrom', (s) => losses.temperatureFrom(s), () => scalars(1)],
  ['imageRegionLoss by the smooth maximum', (w, v, pixelWeights) => losses.imageRegionLoss(w as never, v as never, { pixelWeights: pixelWeights as never, wordMask: wordMask(), keywordMask: keywords(), pixelMask: pixelMask(), attention: 'softmax', attentionTemperature: 0.7, temperature: 0.8, wordScore: 'smoothMax' }), () => [...draw('words', 'pixels'), tf.tensor2d([0.6, 0.8, 1, 0.7, 0.9, 0.5, 0.6, 0.7], [2, 4])]],
  ['roiInfoNce', (u, v, temperature) => losses.roiInfoNce(u as never, v as never, { temperature, roiMask: roiMask() }), () => [...draw('words', 'captions'), ...scalars(0.5)]],
  ['roiInfoNce both ways, captions repeated', (u, v, temperature) => losses.roiInfoNce(u as never, v as never, { temperature, roiMask: tf.tensor2d([1, 1, 1, 0, 0, 1, 0, 0, 0], [3, 3]), captionIds: [5, 6, 5], directions: 'symmetric' }), () => [r.tensor([3, 3, 3]), ...draw('text'), ...scalars(0.5)]],
  ['negativeCaptionLoss', (u, n, temperature, bias) => losses.negativeCaptionLoss(u as never, n as never, { temperature, bias, roiMask: roiMask(), negativeMask: negativeMask() }), () => [...draw('words', 'pixels'), ...scalars(0.5, -0.3)]],
  ['negativeCaptionLoss with a scale', (u, n, scale) => losses.negativeCaptionLoss(u as never, n as never, { scale, reduction: 'sum' }), () => [...draw('words', 'pixels'), ...scalars(2)]],
  ['negativeCaptionLoss as InfoNCE', (u, n, captions, temperature) => losses.negativeCaptionLoss(u as never, n as never, { temperature, captions: captions as never, mode: 'infonce', roiMask: roiMask(), negativeMask: negativeMask() }), () => [...draw('words', 'pixels', 'captions'), ...scalars(0.5)]],
  ['combineLosses by Kendall', (a, b, s, t) => losses.combineLosses({ a, b }, { uncertainties: new Map(Object.entries({ a: s!, b: t! })) }).total, () => scalars(1.5, 0.3, 0.4, -0.8)],
  ['combineLosses as in the paper', (a, b, s, t) => losses.combineLosses({ a, b }, { weighting: 'paper', uncertainties: new Map(Object.entries({ a: s!, b: t! })) }).total, () => scalars(1.5, 0.3, 0.8, 1.6)],
]; // biome-ignore format: a table

onEveryEngine('finite differences', () => {
  describe.each(cases)('%s', (_, loss, inputs) => {
    it('agrees for every differentiable input', () =>
      tf.tidy(() =>
        checkGradient((...xs) => tf.sum(loss(...xs)) as tf.Scalar, inputs(), { step: 3e-3, tolerance: 6e-3 }),
      ));
  });
});
