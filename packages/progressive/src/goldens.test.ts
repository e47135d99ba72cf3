import { expectClose, onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import goldens from '../goldens/goldens.json';
import type { AlignmentInputs, AlignmentOptions, EncodeWords } from './options';
import { refineAlignment } from './refine-alignment';

const { b, l, p, d, words: wordCounts, pixels: pixelCounts } = goldens.shape;
const shapes: Record<string, number[]> = {
  words: [b, l, d],
  pixels: [b, p, d],
  projectedPixels: [b, p, d],
  regionProjection: [d, d],
  alpha: [],
  beta: [],
  globalImage: [b, d],
  globalText: [b, d],
};
const names = Object.keys(goldens.inputs) as (keyof typeof goldens.inputs)[];

const mask = (counts: number[], size: number) =>
  tf.tensor2d(counts.map((count) => Array.from({ length: size }, (_, i) => Number(i < count))));

/** The encoder of the reference: every word sees the mean of the words that are left. */
const encoder =
  ({ words, globalText }: AlignmentInputs): EncodeWords =>
  (left, iteration) => {
    const mean = (x: tf.Tensor) => {
      const weights = tf.div(left, tf.sum(left, 1, true));
      return tf.squeeze(tf.matMul(tf.expandDims(weights, 1), x), [1]);
    };
    const seen = tf.mul(tf.expandDims(mean(words), 1), 0.5);
    const encoded = tf.tanh(tf.add(tf.mul(words, 1 + 0.1 * iteration), seen));
    return { words: encoded, globalText: tf.add(globalText!, mean(encoded)) };
  };

onEveryEngine('PyTorch goldens', () => {
  it.each(goldens.runs)('$name', ({ options, loss, iterations, gradients }) => {
    const tensors = names.map((name) => tf.tensor(goldens.inputs[name], shapes[name] as never));
    const run = (given: tf.Tensor[]) => {
      const inputs = {
        ...Object.fromEntries(names.map((name, i) => [name, given[i]!])),
        wordMask: mask(wordCounts, l),
        pixelMask: mask(pixelCounts, p),
      } as unknown as AlignmentInputs;
      return refineAlignment(inputs, {
        ...goldens.options,
        ...(options as AlignmentOptions),
        selection: { noise: false },
        encodeWords: encoder(inputs),
      });
    };

    const result = run(tensors);
    expectClose(result.loss, loss, 2e-5);
    expect(result.iterations.length).toBe(iterations.length);
    result.iterations.forEach((iteration, t) => {
      const wanted = iterations[t]!;
      expect([...iteration.keywordMask.dataSync()]).toEqual(wanted.keywordMask);
      expectClose(iteration.coImportance.wordWeights, wanted.wordWeights, 1e-5);
      expectClose(iteration.coImportance.wordImportance, wanted.wordImportance, 1e-5);
      const unneeded = options.negatives === 'images' && options.training === true;
      expect(iteration.regions === undefined).toBe(unneeded);
      if (iteration.regions) expectClose(iteration.regions, wanted.regions, 2e-5);
      expectClose(iteration.losses.global!, wanted.global, 2e-5);
      expectClose(iteration.losses.local!, wanted.local, 2e-5);
    });
    tf.grads((...given: tf.Tensor[]) => run(given).loss)(tensors).forEach((gradient, i) => {
      expectClose(gradient, gradients[names[i]!], 2e-4);
    });
  });
});
