import { Adam, addPrefix, clipScale, type ReplicaGroup, takePrefix, valueAndGradients } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { Alignment, Config } from './config';
import type { Pairs } from './data';
import { PlanModel } from './model';
import { resolveModel } from './recipes';

/** What a step is made with, on every replica. */
export interface Stepper {
  model: PlanModel;
  adam: Adam;
  alignment: Alignment;
  /** Largest global gradient norm; 0: no clipping. */
  clip: number;
  /** Pairs that are encoded at once; all if undefined. */
  microBatch: number | undefined;
  group: ReplicaGroup;
}

/** The model a configuration describes, with seeded initial values. */
export function initialModel(config: Config, vocabulary: readonly string[]): PlanModel {
  const { channels } = config.image;
  return new PlanModel(resolveModel(config), { channels, vocabularySize: vocabulary.length, seed: config.seed });
}

/** The optimiser a configuration describes; its learning rate is set in every step. */
export function optimizerOf(model: PlanModel, { optimizer }: Config): Adam {
  const { learningRate, weightDecay } = optimizer;
  return new Adam(model.parameters(), { learningRate, weightDecay });
}

/**
 * One step of training on this replica's pairs: loss, gradients, their mean over all replicas, clipping, optimiser.
 *
 * @param check is shown the loss, its terms and the gradient norm before anything is changed.
 */
export async function trainingStep(
  { model, adam, alignment, clip, microBatch, group }: Stepper,
  { images, texts }: Pairs,
  { learningRate, seed }: { learningRate: number; seed: number },
  check: (numbers: Numbers) => void = () => {},
): Promise<Numbers> {
  const options = {
    training: true,
    microBatch,
    seed: (seed ^ Math.imul(group.rank, 0x9e3779b1)) >>> 0,
    gather: (vectors: tf.Tensor2D) => group.allGather(vectors),
  };
  const own = valueAndGradients(() => model.loss(images, texts, alignment, options), model.parameters());
  const terms = new Map(Object.entries({ loss: own.value, ...own.terms }));
  const means = group.allMean(new Map([...addPrefix('term', terms), ...addPrefix('gradient', own.gradients)]));
  tf.dispose([...terms.values(), ...own.gradients.values()]);

  const gradients = takePrefix('gradient', means);
  const clipped = clip > 0 ? clipScale(gradients, clip) : undefined;
  const read = takePrefix('term', means);
  if (clipped) read.set('gradientNorm', clipped.norm);
  const numbers = Object.fromEntries(
    await Promise.all([...read].map(async ([name, term]) => [name, (await term.data())[0]!])),
  ) as Numbers;
  check(numbers);
  adam.learningRate = learningRate;
  adam.step(gradients, clipped);
  tf.dispose([...means.values(), ...Object.values(clipped ?? {})]);
  return numbers;
}

/** The loss and its terms, by name. */
export type Numbers = Record<string, number> & { loss: number };
