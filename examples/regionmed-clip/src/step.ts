import type { Stage } from '@medalign/progressive';
import {
  Adam,
  addPrefix,
  clipScale,
  type OptimizerState,
  type ReplicaGroup,
  takePrefix,
  valueAndGradients,
} from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { type Config, curriculumOf, type LossName } from './config';
import type { Inputs } from './data';
import { RegionMedModel } from './model';

/** The loss, its terms, their weights and the gradient norm, by name. */
export type Numbers = Record<string, number> & { loss: number };

/** The model a configuration describes, with seeded initial values. */
export const initialModel = (config: Config, vocabulary: readonly string[]): RegionMedModel =>
  new RegionMedModel(config, { vocabularySize: vocabulary.length });

/** AdamW. Weight decay is for matrices and convolutions: not for biases, norms, loss weights, class tokens and positions. */
export function optimizerOf(
  model: { parameters(): Map<string, tf.Variable> },
  { optimizer }: { optimizer: { weightDecay: number } },
): Adam {
  const parameters = model.parameters();
  const weightDecay = (name: string) =>
    parameters.get(name)!.rank < 2 || /(cls_token|pos_embed)$/.test(name) ? 0 : optimizer.weightDecay;
  return new Adam(parameters, { learningRate: 0, weightDecay, decoupled: true });
}

/** What a replica trains with: the model, its optimiser, and the stage that is due. Equal on every replica. */
export class Learner {
  readonly stages: readonly Stage[];
  readonly #frozen: Map<string, string[]>;
  #adam: Adam;
  #stage: number | undefined;

  constructor(
    readonly model: RegionMedModel,
    readonly config: Config,
    readonly group: ReplicaGroup,
  ) {
    const curriculum = curriculumOf(config);
    this.stages = curriculum.stages;
    this.#frozen = curriculum.frozen(model.parameters().keys());
    this.#adam = optimizerOf(model, config);
  }

  /** Starts a stage: the optimiser forgets its momentum, if the stage says so. */
  begin(stage: number): void {
    if (this.stages[stage]!.resetOptimizer && this.#stage !== stage) {
      this.#adam.dispose();
      this.#adam = optimizerOf(this.model, this.config);
    }
    this.#stage = stage;
  }

  /** Goes on in the middle of a stage. */
  resume(stage: number, state: OptimizerState): void {
    this.#adam.loadState(state);
    this.#stage = stage;
  }

  state(): OptimizerState {
    return this.#adam.state();
  }

  /**
   * One step on this replica's images: loss, gradients, their mean over all replicas, clipping, optimiser.
   *
   * @param check is shown the loss, its terms and the gradient norm before anything is changed.
   */
  async step(
    inputs: Inputs,
    { stage, learningRate, seed }: { stage: number; learningRate: number; seed: number },
    check: (numbers: Numbers) => void = () => {},
  ): Promise<Numbers> {
    if (stage !== this.#stage) this.begin(stage);
    const { model, group, config } = this;
    const { name, losses } = this.stages[stage]!;
    const frozen = new Set(this.#frozen.get(name));
    const learning = new Map([...model.parameters()].filter(([parameter]) => !frozen.has(parameter)));
    const options = {
      training: true,
      seed: (seed ^ Math.imul(group.rank, 0x9e3779b1)) >>> 0,
      gather: (rows: tf.Tensor3D) => group.allGather(rows),
    };
    const own = valueAndGradients(() => model.loss(inputs, losses as readonly LossName[], options), learning);
    const terms = new Map(Object.entries({ loss: own.value, ...own.terms }));
    const means = group.allMean(new Map([...addPrefix('term', terms), ...addPrefix('gradient', own.gradients)]));
    tf.dispose([...terms.values(), ...own.gradients.values()]);

    const gradients = takePrefix('gradient', means);
    const { clip } = config.optimizer;
    const clipped = clip > 0 ? clipScale(gradients, clip) : undefined;
    const read = takePrefix('term', means);
    if (clipped) read.set('gradientNorm', clipped.norm);
    const numbers = Object.fromEntries(
      await Promise.all([...read].map(async ([term, value]) => [term, (await value.data())[0]!])),
    ) as Numbers;
    check(numbers);
    this.#adam.learningRate = learningRate;
    this.#adam.step(gradients, clipped);
    tf.dispose([...means.values(), ...Object.values(clipped ?? {})]);
    return numbers;
  }

  dispose(): void {
    this.#adam.dispose();
  }
}
