import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import {
  type Adam,
  addPrefix,
  clipScale,
  latestCheckpoint,
  loadCheckpoint,
  MetricsLog,
  type OptimizerState,
  Progress,
  type RunFolder,
  restoreParameters,
  saveCheckpoint,
  stepSeed,
  stopOnNonFinite,
  TensorBoardLog,
  takePrefix,
  valueAndGradients,
} from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { optimizerOf } from './step';
import { scheduleOf } from './train';
import type { VqaConfig } from './vqa-config';
import type { VqaData, VqaInputs } from './vqa-data';
import { answerQuestions, validationNumbers } from './vqa-evaluate';
import type { VqaModel } from './vqa-model';

/** What training took, and which epoch the model is from. */
export interface VqaTrained {
  steps: number;
  /** Epochs begun. */
  epochs: number;
  /** The epoch (from 1) with the best validation accuracy, the first of equals: the model is as it was after it. */
  best: { epoch: number; accuracy: number };
  /** Wall-clock seconds, validation and checkpoints included; earlier parts of a resumed run too. */
  seconds: number;
  skippedImages: number;
}

/** What a checkpoint says beside its tensors. */
export interface VqaState {
  task: 'vqa';
  /** The epoch (from 0) and the batch in it that are due. */
  epoch: number;
  batch: number;
  best: VqaTrained['best'] | null;
  skippedImages: number;
  adam: OptimizerState['values'];
  config: VqaConfig;
  vocabulary: string[];
  answers: readonly string[];
}

/** Trains on the training questions, and leaves the model as it was after its best epoch. */
export async function trainVqa(
  model: VqaModel,
  data: VqaData,
  {
    folder,
    resume = false,
    signal,
    label = 'train',
  }: {
    folder: Pick<RunFolder, 'path' | 'metrics' | 'checkpoints'>;
    resume?: boolean;
    signal?: AbortSignal;
    label?: string;
  },
): Promise<VqaTrained> {
  // ── Length, learning rate, optimiser ────────────────────────────────────────────────────────────────────────────
  const { config } = data;
  const { epochs, patience, labelSmoothing, maxSteps = Number.POSITIVE_INFINITY } = config.train;
  const total = Math.min(epochs * data.stepsPerEpoch, maxSteps);
  const rate = scheduleOf(config.train, total);
  const adam = optimizerOf(model, config);

  // ── Resume ──────────────────────────────────────────────────────────────────────────────────────────────────────
  let [step, epoch, batch, skippedImages] = [0, 0, 0, 0];
  let best: VqaTrained['best'] | null = null;
  const latest = resume ? latestCheckpoint(folder.checkpoints) : undefined;
  if (latest) {
    const { tensors, state, step: done } = await loadCheckpoint(latest);
    const saved = state as VqaState;
    restoreParameters(model.variables(), takePrefix('model', tensors));
    adam.loadState({ values: saved.adam, tensors: takePrefix('adam', tensors) });
    tf.dispose([...tensors.values()]);
    ({ epoch, batch, best, skippedImages } = saved);
    step = done;
    process.stderr.write(`resuming after step ${step} from ${latest}\n`);
  }

  // ── Records ─────────────────────────────────────────────────────────────────────────────────────────────────────
  const log = new MetricsLog(folder.metrics, { resumeAfter: step });
  const board = new TensorBoardLog(folder.path, latest ? { resumeAfter: step } : {});
  const record = (kind: string, numbers: Record<string, number | null>) => {
    log.write({ step, epoch: epoch + 1, kind, ...numbers });
    const shown = Object.entries(numbers).filter((entry): entry is [string, number] => entry[1] !== null);
    board.write(step, Object.fromEntries(shown.map(([name, value]) => [`${kind}/${name}`, value])));
  };
  const save = async (isBest = false) => {
    const { values, tensors } = adam.state();
    const { vocabulary, answers } = data;
    await saveCheckpoint(folder.checkpoints, {
      step,
      epoch,
      tensors: new Map<string, tf.Tensor>([...addPrefix('model', model.variables()), ...addPrefix('adam', tensors)]),
      state: { task: 'vqa', epoch, batch, best, skippedImages, adam: values, config, vocabulary, answers } satisfies VqaState, // biome-ignore format: one line
      keep: 2,
      best: isBest,
    });
  };

  // ── Loop ────────────────────────────────────────────────────────────────────────────────────────────────────────
  const progress = new Progress({ total, start: step, label });
  try {
    while (epoch < epochs && step < total && epoch - (best?.epoch ?? epoch) < patience) {
      for await (const questions of data.trainingBatches(epoch, { start: batch })) {
        const learningRate = rate(step);
        const inputs = data.onEngine(questions);
        const how = { training: true, seed: stepSeed(config.seed, step), labelSmoothing };
        const numbers = await learn(model, adam, inputs, how, { learningRate, clip: config.optimizer.clip }, (seen) =>
          stopOnNonFinite(step + 1, seen),
        );
        inputs.dispose();
        step += 1;
        batch = questions.index + 1;
        skippedImages += questions.skipped.length;
        record('train', { learningRate, ...numbers });
        progress.update(step, { terms: { loss: numbers.loss! }, images: questions.images.length, epoch: epoch + 1 });
        await setImmediate(); // signals get their turn: images from memory never wait for anything
        if (signal?.aborted) {
          await save();
          process.stderr.write(`saved step ${step} of ${total}; --resume goes on from there\n`);
          throw signal.reason;
        }
        if (step >= total) break;
      }

      // ── After an epoch: is it the best so far? ────────────────────────────────────────────────────────────────────
      const reading = validationNumbers(await answerQuestions(model, data, data.images.validation));
      record('validation', reading);
      const better = best === null || reading.accuracy > best.accuracy;
      if (better) best = { epoch: epoch + 1, accuracy: reading.accuracy };
      epoch += 1;
      batch = 0;
      await save(better);
      if (signal?.aborted && epoch < epochs) throw signal.reason;
    }
  } finally {
    progress.stop();
    adam.dispose();
  }

  // ── The best epoch's model ──────────────────────────────────────────────────────────────────────────────────────
  const { tensors } = await loadCheckpoint(join(folder.checkpoints, 'best.safetensors'));
  restoreParameters(model.variables(), takePrefix('model', tensors));
  tf.dispose([...tensors.values()]);
  return { steps: step, epochs: epoch, best: best!, seconds: log.seconds, skippedImages };
}

/** One step: loss, gradients, clipping, optimiser. `check` sees the numbers before anything is changed. */
async function learn(
  model: VqaModel,
  adam: Adam,
  inputs: VqaInputs,
  how: Parameters<VqaModel['loss']>[1],
  { learningRate, clip }: { learningRate: number; clip: number },
  check: (numbers: Record<string, number>) => void,
): Promise<Record<string, number>> {
  const { value, gradients } = valueAndGradients(() => model.loss(inputs, how), model.parameters());
  const clipped = clip > 0 ? clipScale(gradients, clip) : undefined;
  const numbers: Record<string, number> = { loss: (await value.data())[0]! };
  if (clipped) numbers.gradientNorm = (await clipped.norm.data())[0]!;
  check(numbers);
  adam.learningRate = learningRate;
  adam.step(gradients, clipped);
  tf.dispose([value, ...gradients.values(), ...Object.values(clipped ?? {})]);
  return numbers;
}
