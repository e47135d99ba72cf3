import { setImmediate } from 'node:timers/promises';
import type { CurriculumState, Stage } from '@medalign/progressive';
import {
  addPrefix,
  constantRate,
  cosineDecay,
  latestCheckpoint,
  linearWarmup,
  loadCheckpoint,
  MetricsLog,
  type OptimizerState,
  Progress,
  ReplicaThreads,
  type RunFolder,
  restoreParameters,
  type Schedule,
  saveCheckpoint,
  startFromWeights,
  stepSeed,
  stopOnNonFinite,
  TensorBoardLog,
  takePrefix,
} from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { type Config, curriculumOf, type LossName } from './config';
import { onEngine, type RegionMedData, shareOf } from './data';
import { startEngine } from './engine';
import { hasTerm, needsRegions, type RegionMedModel } from './model';
import type { Arrays, Setup, Work } from './replica';
import { initialModel, Learner } from './step';

/** A trained model and what it took. */
export interface Trained {
  model: RegionMedModel;
  steps: number;
  /** Steps whose batch had no ROI, in a stage of region losses alone: nothing was learned. */
  emptySteps: number;
  /** Wall-clock seconds, validation, readings and checkpoints included; earlier parts of a resumed run too. */
  seconds: number;
  skippedImages: number;
}

/** What a checkpoint says beside its tensors. */
interface SavedState {
  curriculum: CurriculumState;
  skippedImages: number;
  emptySteps: number;
  adam: OptimizerState['values'];
  config: Config;
  vocabulary: string[];
}

/** The model a configuration describes: seeded initial values, and published weights where it names a file. */
export async function createModel(config: Config, data: Pick<RegionMedData, 'vocabulary'>): Promise<RegionMedModel> {
  const model = initialModel(config, data.vocabulary);
  const { image, text } = config.model;
  if (image.weights) await startFromWeights(model.image.backbone, image.weights, { key: 'model.image.weights' });
  if (text.weights) await startFromWeights(model.bert, text.weights, { key: 'model.text.weights' });
  return model;
}

/** The learning rate of each step of a stage. */
export function scheduleOf(
  { learningRate, schedule }: Pick<Stage, 'learningRate' | 'schedule'>,
  steps: number,
): Schedule {
  const { kind, warmupSteps, minimum } = schedule;
  const after =
    kind === 'cosine'
      ? cosineDecay({ learningRate, steps: Math.max(1, steps - warmupSteps), minimum })
      : constantRate({ learningRate });
  return linearWarmup({ steps: warmupSteps, after });
}

/** Trains RegionMed-CLIP, stage after stage. Without a run folder nothing is written (ablations). */
export async function train(
  config: Config,
  data: RegionMedData,
  {
    model,
    run,
    resume = false,
    signal,
    label = 'train',
    onStageEnd,
  }: {
    model: RegionMedModel;
    run?: RunFolder;
    resume?: boolean;
    signal?: AbortSignal;
    label?: string;
    /** Reads the model after each stage; what it returns is written into the metrics. */
    onStageEnd?: (stage: Stage) => Promise<Record<string, unknown>>;
  },
): Promise<Trained> {
  // ── Stages, their length and learning rates ─────────────────────────────────────────────────────────────────────
  data.checkBatchSizes();
  const curriculum = curriculumOf(config);
  const { maxStepsPerStage: most = Number.POSITIVE_INFINITY, checkpointEverySteps } = config.train;
  const planned = curriculum.steps(data.split.train.length, { dropLast: true }).stages;
  const stepsOf = planned.map(({ steps }) => Math.min(steps, most));
  const schedules = curriculum.stages.map((stage, i) => scheduleOf(stage, stepsOf[i]!));
  const total = stepsOf.reduce((sum, steps) => sum + steps, 0);
  let skippedImages = 0;
  let emptySteps = 0;

  // ── Resume ──────────────────────────────────────────────────────────────────────────────────────────────────────
  const latest = run && resume ? latestCheckpoint(run.checkpoints) : undefined;
  const loaded = latest ? await loadCheckpoint(latest) : undefined;
  let begun: { stage: number; adam: OptimizerState } | undefined;
  if (loaded) {
    const saved = loaded.state as SavedState;
    restoreParameters(model.variables(), takePrefix('model', loaded.tensors));
    curriculum.restore(saved.curriculum);
    ({ skippedImages, emptySteps } = saved);
    begun = {
      stage: saved.curriculum.stage,
      adam: { values: saved.adam, tensors: takePrefix('adam', loaded.tensors) },
    };
    process.stderr.write(`resuming after step ${curriculum.position.totalStep} from ${latest}\n`);
  }

  // ── Replicas ────────────────────────────────────────────────────────────────────────────────────────────────────
  const replicas = await startReplicas({ config, vocabulary: data.vocabulary }, model, begun);
  const learner = new Learner(model, config, replicas.group);
  if (begun) learner.resume(begun.stage, begun.adam);
  tf.dispose([...(loaded?.tensors.values() ?? [])]);

  // ── Records ─────────────────────────────────────────────────────────────────────────────────────────────────────
  const first = curriculum.position.totalStep;
  const log = run && new MetricsLog(run.metrics, { resumeAfter: first });
  const board = run && new TensorBoardLog(run.path, latest ? { resumeAfter: first } : {});
  const startedAt = performance.now();
  const seconds = () => log?.seconds ?? (performance.now() - startedAt) / 1000;
  const save = async () => {
    if (!run) return;
    const { values, tensors } = learner.state();
    await saveCheckpoint(run.checkpoints, {
      step: curriculum.position.totalStep,
      epoch: curriculum.position.epoch,
      tensors: new Map<string, tf.Tensor>([...addPrefix('model', model.variables()), ...addPrefix('adam', tensors)]),
      state: {
        curriculum: curriculum.state(),
        skippedImages,
        emptySteps,
        adam: values,
        config,
        vocabulary: data.vocabulary,
      } satisfies SavedState,
    });
  };

  // ── Loop ────────────────────────────────────────────────────────────────────────────────────────────────────────
  const progress = new Progress({ total, start: first, label });
  try {
    for (const { stage, epoch, totalEpoch, step: start, startsStage } of curriculum) {
      const index = curriculum.position.stage;
      const losses = stage.losses as readonly LossName[];
      if (startsStage) learner.begin(index);
      if (curriculum.position.stageStep >= stepsOf[index]!) continue;
      for await (const { share, samples, skipped } of data.trainingBatches(totalEpoch, {
        batchSize: stage.batchSize,
        start,
      })) {
        const { stageStep, totalStep } = curriculum.position;
        const how = {
          stage: index,
          learningRate: schedules[index]!(stageStep),
          seed: stepSeed(config.seed, totalStep),
        };
        let numbers: Record<string, number> = {};
        // too few images are left of a batch with broken ones, or none of them has an ROI
        if (share.labels.size >= 2 * replicas.group.size && hasTerm(losses, share.labels)) {
          const { size } = replicas.group;
          for (let rank = 1; rank < size; rank++) replicas.send(rank, { share: shareOf(share, rank, size), ...how });
          const inputs = onEngine(shareOf(share, 0, size), data.tokenizer, config, { regions: needsRegions(losses) });
          numbers = await learner.step(inputs, how, (seen) => stopOnNonFinite(totalStep + 1, seen));
          inputs.dispose();
        } else {
          emptySteps += 1;
        }

        curriculum.step();
        skippedImages += skipped.length;
        const step = totalStep + 1;
        log?.write({ step, epoch, kind: 'train', stage: stage.name, learningRate: how.learningRate, ...numbers });
        board?.write(step, Object.fromEntries(Object.entries(numbers).map(([name, n]) => [`train/${name}`, n])));
        const shown: Record<string, number> = numbers.loss === undefined ? {} : { loss: numbers.loss };
        progress.update(step, { terms: shown, images: samples.length, epoch: totalEpoch + 1 });

        const done = curriculum.position.stageStep >= stepsOf[index]!;
        if (done && onStageEnd) {
          const reading = await onStageEnd(stage);
          log?.write({ step, epoch, kind: 'stage', stage: stage.name, ...reading });
        }
        await setImmediate(); // signals and threads get their turn: images from memory never wait for anything
        const stopping = signal?.aborted ?? false;
        if (done || stopping || step % checkpointEverySteps === 0) await save();
        if (stopping) {
          if (run) process.stderr.write(`saved step ${step}; --resume ${run.path} goes on from there\n`);
          throw signal!.reason;
        }
        if (done) break;
      }
    }
  } finally {
    progress.stop();
    await replicas.stop();
    learner.dispose();
  }
  return { model, steps: curriculum.position.totalStep, emptySteps, seconds: seconds(), skippedImages };
}

/** The threads that take the other shares of every batch, each with a copy of the model and of the optimiser. */
async function startReplicas(
  given: Pick<Setup, 'config' | 'vocabulary'>,
  model: RegionMedModel,
  begun: { stage: number; adam: OptimizerState } | undefined,
): Promise<ReplicaThreads<Work>> {
  const { config } = given;
  const { replicas } = config.train;
  const { name, device } = await startEngine(tf.getBackend(), given.config);
  const size = device === 'cpu' && name !== 'tensorflow' ? replicas : 1;
  if (size !== replicas) {
    process.stderr.write(
      `train.replicas: ${replicas} asked for; one replica, because engine '${name}' cannot be started twice\n`,
    );
  }
  const parameters = [...model.parameters().values()].reduce((sum, { size }) => sum + size, 0);
  const rows = 3 + config.model.roi.max + config.data.negatives;
  const largest = Math.max(...config.stages.map(({ batchSize }) => batchSize));
  return ReplicaThreads.start<Setup, Work>(new URL('./replica-thread.mjs', import.meta.url), {
    size,
    capacity: parameters + largest * rows * config.model.width + 64, // gradients and terms, or a share's vectors
    setup: {
      ...given,
      backend: name,
      model: await toArrays(model.variables()),
      begun: begun && {
        stage: begun.stage,
        adam: { values: begun.adam.values, tensors: await toArrays(begun.adam.tensors) },
      },
    },
    execArgv: ['--conditions=@medalign/source'],
  });
}

async function toArrays(tensors: Map<string, tf.Tensor>): Promise<Arrays> {
  const arrays: Arrays = new Map();
  for (const [name, tensor] of tensors)
    arrays.set(name, { values: (await tensor.data()) as Float32Array, shape: tensor.shape });
  return arrays;
}
