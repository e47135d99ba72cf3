// A thread of its own: another copy of the model, which takes its share of every batch.
import { createTokenizer } from '@medalign/encoders';
import { type OptimizerState, restoreParameters, serveReplica } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { Alignment, Config } from './config';
import { onEngine, type Share } from './data';
import { startEngine } from './engine';
import { initialModel, optimizerOf, trainingStep } from './step';

/** What a replica starts from. */
export interface Setup {
  config: Config;
  alignment: Alignment;
  vocabulary: string[];
  backend: string;
  model: Arrays;
  adam: { values: OptimizerState['values']; tensors: Arrays };
}

/** Tensors by name, as threads can be sent them. */
export type Arrays = Map<string, { values: Float32Array; shape: number[] }>;

/** One step's work. */
export interface Work {
  share: Share;
  learningRate: number;
  seed: number;
}

const tensors = (arrays: Arrays) =>
  new Map([...arrays].map(([name, { values, shape }]) => [name, tf.tensor(values, shape)]));

await serveReplica<Setup, Work>(async ({ config, alignment, vocabulary, backend, ...saved }, group) => {
  await startEngine(backend, config, { log: () => {} });
  const model = initialModel(config, vocabulary);
  const adam = optimizerOf(model, config);
  const tokenizer = createTokenizer({ vocab: vocabulary, lowercase: config.model.text.lowercase ?? true });
  const { clip } = config.optimizer;
  const { microBatch } = config.train;
  tf.tidy(() => {
    restoreParameters(model.variables(), tensors(saved.model));
    adam.loadState({ values: saved.adam.values, tensors: tensors(saved.adam.tensors) });
  });
  return async ({ share, ...step }) => {
    const pairs = onEngine(share, tokenizer, config);
    await trainingStep({ model, adam, alignment, clip, microBatch, group }, pairs, step);
    pairs.dispose();
  };
});
