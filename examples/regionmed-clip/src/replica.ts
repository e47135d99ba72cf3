// A thread of its own: another copy of the model, which takes its share of every batch.
import { createTokenizer } from '@medalign/encoders';
import { type OptimizerState, restoreParameters, serveReplica } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { Config } from './config';
import { onEngine, type Share } from './data';
import { startEngine } from './engine';
import { needsRegions } from './model';
import { initialModel, Learner } from './step';

/** What a replica starts from. */
export interface Setup {
  config: Config;
  vocabulary: string[];
  backend: string;
  model: Arrays;
  /** Of a run that is resumed in the middle of a stage. */
  begun: { stage: number; adam: { values: OptimizerState['values']; tensors: Arrays } } | undefined;
}

/** Tensors by name, as threads can be sent them. */
export type Arrays = Map<string, { values: Float32Array; shape: number[] }>;

/** One step's work. */
export interface Work {
  share: Share;
  stage: number;
  learningRate: number;
  seed: number;
}

const tensors = (arrays: Arrays) =>
  new Map([...arrays].map(([name, { values, shape }]) => [name, tf.tensor(values, shape)]));

await serveReplica<Setup, Work>(async ({ config, vocabulary, backend, model: saved, begun }, group) => {
  await startEngine(backend, config, { log: () => {} });
  const model = initialModel(config, vocabulary);
  const learner = new Learner(model, config, group);
  const tokenizer = createTokenizer({ vocab: vocabulary, lowercase: config.model.text.lowercase ?? true });
  tf.tidy(() => {
    restoreParameters(model.variables(), tensors(saved));
    if (begun) learner.resume(begun.stage, { values: begun.adam.values, tensors: tensors(begun.adam.tensors) });
  });
  return async ({ share, ...how }) => {
    const regions = needsRegions(learner.stages[how.stage]!.losses);
    const inputs = onEngine(share, tokenizer, config, { regions });
    await learner.step(inputs, how);
    inputs.dispose();
  };
});
