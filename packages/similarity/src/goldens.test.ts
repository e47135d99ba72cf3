import { expectClose, onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, it } from 'vitest';
import goldens from '../goldens/goldens.json';
import { type CoImportanceWeighting, coImportance } from './co-importance';
import { type SimilarityKind, wordPixelSimilarity } from './pairwise';
import { type Attention, regionFeatures } from './regions';

const { b, l, p, d, words: wordCounts, pixels: pixelCounts } = goldens.shape;
const shapes: Record<string, number[]> = {
  words: [b, l, d],
  pixels: [b, p, d],
  similarity: [b, l, p],
  projection: [d, d],
  bias: [d],
  alpha: [],
  beta: [],
};

const mask = (counts: number[], size: number) =>
  tf.tensor2d(counts.map((count) => Array.from({ length: size }, (_, i) => Number(i < count))));
const masks = (masked: boolean) => (masked ? { wordMask: mask(wordCounts, l), pixelMask: mask(pixelCounts, p) } : {});

type Outputs = Record<string, tf.Tensor>;

/** Compares all outputs, and the gradients of Σ cotangent · output, with those of the reference. */
function compare(
  golden: { inputs: object; outputs: object; cotangents: object; gradients: object },
  compute: (inputs: Outputs) => Outputs,
  tolerance = 2e-5,
) {
  const names = Object.keys(golden.inputs);
  const values = (of: object, name: string) => (of as Record<string, number[]>)[name]!;
  const inputs = names.map((name) => tf.tensor(values(golden.inputs, name), shapes[name] as never));
  const run = (given: tf.Tensor[]) => compute(Object.fromEntries(names.map((name, i) => [name, given[i]!])));
  const outputs = run(inputs);
  for (const name of Object.keys(golden.outputs)) expectClose(outputs[name]!, values(golden.outputs, name), tolerance);
  const gradients = tf.grads((...given: tf.Tensor[]) => {
    const results = run(given);
    const terms = Object.keys(golden.cotangents).map((name) =>
      tf.sum(tf.mul(results[name]!, tf.tensor(values(golden.cotangents, name), results[name]!.shape as never))),
    );
    // keeps an input that an option leaves unused on the tape, with gradient 0
    return tf.addN([...terms, ...given.map((x) => tf.mul(tf.sum(x), 0))]) as tf.Scalar;
  })(inputs);
  names.forEach((name, i) => {
    expectClose(gradients[i]!, values(golden.gradients, name), 5 * tolerance);
  });
}

onEveryEngine('PyTorch goldens', () => {
  describe('wordPixelSimilarity', () => {
    it.each(goldens.similarity)('$name', (golden) => {
      const { kind, scale } = golden.options;
      compare(golden, ({ words, pixels }) => ({
        similarity: wordPixelSimilarity(words as tf.Tensor3D, pixels as tf.Tensor3D, {
          kind: kind as SimilarityKind,
          scale,
        }),
      }));
    });
  });

  describe('coImportance', () => {
    it.each(goldens.coImportance)('$name', (golden) => {
      const { weighting, masked } = golden.options;
      compare(golden, ({ similarity, alpha, beta }) => ({
        ...coImportance(similarity as tf.Tensor3D, {
          alpha,
          beta,
          weighting: weighting as CoImportanceWeighting,
          ...masks(masked),
        }),
      }));
    });
  });

  describe('regionFeatures', () => {
    it.each(goldens.regions)('$name', (golden) => {
      const { attention, masked, normalize, ...used } = golden.options;
      compare(
        golden,
        ({ similarity, pixels, projection, bias }) => ({
          regions: regionFeatures(
            similarity as tf.Tensor3D,
            pixels as tf.Tensor3D,
            coImportance(similarity as tf.Tensor3D, masks(masked)),
            {
              ...masks(masked),
              attention: attention as Attention,
              attentionTemperature: 0.5,
              normalize,
              projection: used.projection ? (projection as tf.Tensor2D) : undefined,
              bias: used.bias ? (bias as tf.Tensor1D) : undefined,
            },
          ),
        }),
        5e-5,
      );
    });
  });
});
