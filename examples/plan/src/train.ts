import { setImmediate } from 'node:timers/promises';
import {
  type Adam,
  addPrefix,
  constantRate,
  cosineDecay,
  latestCheckpoint,
  linearWarmup,
  loadCheckpoint,
  MetricsLog,
  type OptimizerState,
  type PlateauState,
  Progress,
  ReduceLROnPlateau,
  ReplicaThreads,
  type RunFolder,
  restoreParameters,
  saveCheckpoint,
  startFromWeights,
  stepSeed,
  stopOnNonFinite,
  TensorBoardLog,
  takePrefix,
} from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { Alignment, Config } from './config';
import { onEngine, type PlanData, shareOf } from './data';
import { startEngine } from './engine';
import type { PlanModel } from './model';
import type { Arrays, Setup, Work } from './replica';
import { initialModel, optimizerOf, trainingStep } from './step';

/** A trained model and what it took. */
export interface Trained {
  model: PlanModel;
  steps: number;
  /** Wall-clock seconds of training, validation and checkpoints included; earlier parts of a resumed run too. */
  seconds: number;
  skippedImages: number;
}

/** What a checkpoint says beside its tensors. */
interface SavedState {
  step: number;
  skippedImages: number;
  plateau: PlateauState;
  adam: OptimizerState['values'];
  config: Config;
  vocabulary: string[];
}

/** The model a configuration describes: seeded initial values, and published weights where it names a file. */
export async function createModel(config: Config, data: PlanData): Promise<PlanModel> {
  const model = initialModel(config, data.vocabulary);
  const { image, text } = config.model;
  if (image.weights) await startFromWeights(model.resnet, image.weights, { key: 'model.image.weights' });
  if (text.weights) await startFromWeights(model.bert, text.weights, { key: 'model.text.weights' });
  return model;
}

/** Trains PLAN. Without a run folder nothing is written (ablations). */
export async function train(
  config: Config,
  alignment: Alignment,
  data: PlanData,
  {
    model,
    run,
    resume = false,
    signal,
    label = 'train',
  }: { model: PlanModel; run?: RunFolder; resume?: boolean; signal?: AbortSignal; label?: string },
): Promise<Trained> {
  // ── Length and learning rate ────────────────────────────────────────────────────────────────────────────────────
  const stepsPerEpoch = data.stepsPerEpoch();
  const total = Math.min(config.train.maxSteps ?? Number.POSITIVE_INFINITY, config.train.epochs * stepsPerEpoch);
  const { learningRate, clip, schedule, warmup, factor, patience } = config.optimizer;
  const plateau = new ReduceLROnPlateau({ learningRate, factor, patience });
  const fixed =
    schedule === 'cosine'
      ? linearWarmup({ steps: warmup, after: cosineDecay({ learningRate, steps: Math.max(1, total - warmup) }) })
      : constantRate({ learningRate });
  const rateAt = (step: number) => (schedule === 'plateau' ? plateau.learningRate : fixed(step));

  // ── Optimiser ───────────────────────────────────────────────────────────────────────────────────────────────────
  const adam = optimizerOf(model, config);
  let step = 0;
  let skippedImages = 0;

  // ── Resume ──────────────────────────────────────────────────────────────────────────────────────────────────────
  const latest = run && resume ? latestCheckpoint(run.checkpoints) : undefined;
  if (latest) {
    const { tensors, state } = await loadCheckpoint(latest);
    restoreParameters(model.variables(), takePrefix('model', tensors));
    const saved = state as SavedState;
    adam.loadState({ values: saved.adam, tensors: takePrefix('adam', tensors) });
    plateau.loadState(saved.plateau);
    ({ step, skippedImages } = saved);
    tf.dispose([...tensors.values()]);
    process.stderr.write(`resuming after step ${step} from ${latest}\n`);
  }

  // ── Replicas ────────────────────────────────────────────────────────────────────────────────────────────────────
  const replicas = await startReplicas({ config, alignment, vocabulary: data.vocabulary }, model, adam);

  // ── Records ─────────────────────────────────────────────────────────────────────────────────────────────────────
  const log = run && new MetricsLog(run.metrics, { resumeAfter: step });
  const board = run && new TensorBoardLog(run.path, latest ? { resumeAfter: step } : {});
  const startedAt = performance.now();
  const seconds = () => log?.seconds ?? (performance.now() - startedAt) / 1000;
  const save = async () => {
    if (!run) return;
    const { values, tensors } = adam.state();
    await saveCheckpoint(run.checkpoints, {
      step,
      epoch: Math.floor(step / stepsPerEpoch),
      tensors: new Map<string, tf.Tensor>([...addPrefix('model', model.variables()), ...addPrefix('adam', tensors)]),
      state: {
        step,
        skippedImages,
        plateau: plateau.state(),
        adam: values,
        config,
        vocabulary: data.vocabulary,
      } satisfies SavedState,
    });
  };

  // ── Loop ────────────────────────────────────────────────────────────────────────────────────────────────────────
  const progress = new Progress({ total, start: step, label });
  try {
    for (let epoch = Math.floor(step / stepsPerEpoch); step < total; epoch++) {
      for await (const batch of data.trainingBatches(epoch, step % stepsPerEpoch)) {
        const { size } = replicas.group;
        const how = { learningRate: rateAt(step), seed: stepSeed(config.seed, step) };
        for (let rank = 1; rank < size; rank++) replicas.send(rank, { share: shareOf(batch, rank, size), ...how });
        const pairs = onEngine(shareOf(batch, 0, size), data.tokenizer, config);
        const numbers = await trainingStep(
          { model, adam, alignment, clip, microBatch: config.train.microBatch, group: replicas.group },
          pairs,
          how,
          (seen) => stopOnNonFinite(step + 1, seen),
        );
        pairs.dispose();

        step += 1;
        skippedImages += batch.skipped.length;
        log?.write({ step, epoch, kind: 'train', learningRate: how.learningRate, ...numbers });
        board?.write(
          step,
          Object.fromEntries(Object.entries(numbers).map(([name, number]) => [`train/${name}`, number])),
        );
        progress.update(step, { terms: { loss: numbers.loss }, images: batch.samples.length, epoch: epoch + 1 });

        if (step % stepsPerEpoch === 0 && data.split.validation.length > 0) {
          const validation = await validationLoss(model, data, config, alignment);
          stopOnNonFinite(step, { validationLoss: validation });
          plateau.step(validation);
          log?.write({ step, epoch, kind: 'validation', loss: validation });
          board?.write(step, { 'validation/loss': validation });
        }
        await setImmediate(); // signals and threads get their turn: images from memory never wait for anything
        const stopping = signal?.aborted ?? false;
        if (step === total || stopping || step % config.train.checkpointEverySteps === 0) await save();
        if (stopping) {
          if (run) process.stderr.write(`saved step ${step} of ${total}; --resume ${run.path} goes on from there\n`);
          throw signal!.reason;
        }
        if (step >= total) break;
      }
    }
  } finally {
    progress.stop();
    await replicas.stop();
    adam.dispose();
  }
  return { model, steps: step, seconds: seconds(), skippedImages };
}

/** The threads that take the other shares of every batch, each with a copy of the model and of the optimiser. */
async function startReplicas(
  given: Pick<Setup, 'config' | 'alignment' | 'vocabulary'>,
  model: PlanModel,
  adam: Adam,
): Promise<ReplicaThreads<Work>> {
  const { replicas, batchSize } = given.config.train;
  const { name, device } = await startEngine(tf.getBackend(), given.config);
  const size = device === 'cpu' && name !== 'tensorflow' ? replicas : 1;
  if (size !== replicas) {
    process.stderr.write(
      `train.replicas: ${replicas} asked for; one replica, because engine '${name}' cannot be started twice\n`,
    );
  }
  const parameters = [...model.parameters().values()].reduce((sum, { size }) => sum + size, 0);
  const { values, tensors } = adam.state();
  return ReplicaThreads.start<Setup, Work>(new URL('./replica-thread.mjs', import.meta.url), {
    size,
    capacity: parameters + batchSize * given.config.model.width + 64, // gradients and terms, or a share's vectors
    setup: {
      ...given,
      backend: name,
      model: await toArrays(model.variables()),
      adam: { values, tensors: await toArrays(tensors) },
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

/**
 * The training loss on the validation patients: no noise, no dropout, running statistics. Whole batches only, because a
 * contrastive loss over fewer samples is another number; a set smaller than a batch is taken as it is.
 */
async function validationLoss(model: PlanModel, data: PlanData, config: Config, alignment: Alignment): Promise<number> {
  let sum = 0;
  let count = 0;
  for await (const batch of data.evaluationBatches(data.split.validation, config.train.batchSize)) {
    if (batch.samples.length === config.train.batchSize || count === 0) {
      const { microBatch } = config.train;
      const loss = tf.tidy(() => tf.clone(model.loss(batch.images, batch.texts, alignment, { microBatch }).total));
      sum += (await loss.data())[0]!;
      count += 1;
      loss.dispose();
    }
    batch.dispose();
  }
  return sum / count;
}
