import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { useBackend } from '@medalign/backend';
import { checkSameSplit, writeManifest } from '@medalign/datasets';
import {
  CheckpointError,
  ConfigError,
  configText,
  latestCheckpoint,
  loadCheckpoint,
  loadConfig,
  RunFolder,
} from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { loadModel } from './checkpoint';
import { createModel } from './train';
import { encoderConfig, type VqaConfig, vqaConfigSchema } from './vqa-config';
import { VqaData, withWrongImages } from './vqa-data';
import { type Answered, answerQuestions } from './vqa-evaluate';
import { VqaModel } from './vqa-model';
import { vqaNotes, writeVqaReport } from './vqa-report';
import { summarizeVqa, vqaJson } from './vqa-summary';
import { vqaTable } from './vqa-table';
import { trainVqa, type VqaState } from './vqa-train';

export interface VqaOptions {
  /** YAML file; of a resumed run its own. */
  file: string;
  /** A RegionMed-CLIP run to start the encoders from. */
  checkpoint?: string | undefined;
  sets: string[];
  backend: string;
  out?: string | undefined;
  resume?: string | undefined;
  overwrite: boolean;
  json: boolean;
  signal: AbortSignal;
}

const say = (text: string) => process.stderr.write(`${text}\n`);

/** Train an answer head with its encoders, answer the test questions, report: `regionmed vqa`. */
export async function vqa({ file, checkpoint, sets, backend, out, resume, overwrite, json, signal }: VqaOptions) {
  // ── Engine, configuration, data, run folder ─────────────────────────────────────────────────────────────────────
  const { precision } = loadConfig({ file, sets, schema: vqaConfigSchema }); // before an engine is there to read a checkpoint
  const engine = await useBackend(backend as 'auto', { precision });
  const config = await vqaConfig(file, checkpoint, sets);
  const data = await VqaData.load(config, await savedVocabulary(config, resume));
  const { images, split, answers } = data;
  const parts = (['train', 'validation', 'test'] as const).map((part) => `${split[part].length} questions about ${images[part].length} images to ${{ train: 'train on', validation: 'validate', test: 'test' }[part]}`); // biome-ignore format: one line
  say(`${data.dataset.name}: ${parts.join(', ')}`);
  const notes = vqaNotes(data);
  for (const note of notes) say(`  ${note}`);
  for (const [reason, count] of Object.entries(data.dataset.counts.dropped)) say(`  ${count} left out: ${reason}`);
  const path = resume ?? out ?? `runs/regionmed-vqa-${new Date().toISOString().replace(/[:.]/g, '-')}`;
  if (resume !== undefined) await checkSameSplit(join(resume, 'split.json'), split.manifest);
  const folder = new RunFolder(path, { config, engine, resume: resume !== undefined, overwrite });
  await writeManifest(folder.file('split.json'), split.manifest);

  // ── Training, and the same without images ───────────────────────────────────────────────────────────────────────
  const how = { resume: resume !== undefined, signal };
  const model = await createVqaModel(config, data, { folder });
  const trained = await trainVqa(model, data, { folder, ...how });
  say(`trained ${trained.steps} steps in ${trained.seconds.toFixed(0)} s; epoch ${trained.best.epoch} of ${trained.epochs} is the best; ${trained.skippedImages} broken images skipped`); // biome-ignore format: one line
  const blindFolder = config.evaluate.questionOnly ? folder.file('question-only') : undefined;
  const blind = blindFolder ? await questionsAlone(blindFolder, config, data, { ...how, overwrite }) : undefined;

  // ── Test questions ──────────────────────────────────────────────────────────────────────────────────────────────
  const answered = await answerQuestions(model, data, images.test);
  const others = images.test.length > 1 ? withWrongImages(images.test, config.seed) : undefined;
  const wrongImage = others && (await answerQuestions(model, data, others));
  const summary = summarizeVqa(pairedReadings(answered, { wrongImage, questionOnly: blind?.answered }), data, {
    resamples: config.evaluate.bootstrap,
    seed: config.seed,
  });
  const lines = answered.map((one) => `${JSON.stringify({ ...one, right: one.prediction === one.answer })}\n`);
  writeFileSync(folder.file('answers.jsonl'), lines.join(''));
  const report = await writeVqaReport({ folder, engine, data, summary, answered, trained, questionOnly: blindFolder });
  const result = {
    task: 'vqa',
    backend: engine.name,
    seed: config.seed,
    seconds: Math.round(trained.seconds * 10) / 10,
    steps: trained.steps,
    epochs: trained.epochs,
    best: trained.best,
    dataset: data.dataset.name,
    questions: counts(split),
    images: counts(images),
    answers: answers.length,
    unanswered: split.test.length - answered.length,
    ...vqaJson(summary),
    questionOnly: blind && { seconds: Math.round(blind.trained.seconds * 10) / 10, epochs: blind.trained.epochs, best: blind.trained.best }, // biome-ignore format: one line
    notes,
    report,
  };
  writeFileSync(folder.file('result.json'), `${JSON.stringify(result, null, 2)}\n`);
  folder.finish();
  const table = vqaTable(summary);
  if (json) say(table);
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${table}\n`);
  say(`report: ${report}`);
  model.dispose();
  return result;
}

/** `vqa --print-config`: the configuration that the options come to. */
export async function printVqaConfig({ file, checkpoint, sets }: Pick<VqaOptions, 'file' | 'checkpoint' | 'sets'>) {
  if (checkpoint !== undefined) await useBackend('cpu');
  process.stdout.write(configText(await vqaConfig(file, checkpoint, sets)));
}

const counts = (parts: Record<'train' | 'validation' | 'test', readonly unknown[]>) => ({
  train: parts.train.length,
  validation: parts.validation.length,
  test: parts.test.length,
});

/** The configuration, with `model` and `image` of the RegionMed-CLIP run that is the start. */
export async function vqaConfig(file: string, checkpoint: string | undefined, sets: string[]): Promise<VqaConfig> {
  const schema = vqaConfigSchema;
  if (checkpoint === undefined) return loadConfig({ file, sets, schema });
  const { model, config } = await loadModel(checkpoint);
  model.dispose();
  const own = ['model', 'image'].map((key) => `${key}=${JSON.stringify(config[key as 'model'])}`);
  return loadConfig({ file, schema, sets: [...own, `start=${JSON.stringify(checkpoint)}`, ...sets] });
}

/** The words of the run that is resumed, or of the run that is the start; else those of the training questions. */
async function savedVocabulary({ start }: VqaConfig, resume: string | undefined): Promise<{ vocabulary?: string[] }> {
  const latest = resume === undefined ? undefined : latestCheckpoint(resume);
  if (latest) {
    const { tensors, state } = await loadCheckpoint(latest);
    tf.dispose([...tensors.values()]);
    const { task, vocabulary } = (state ?? {}) as Partial<VqaState>;
    if (task !== 'vqa' || !vocabulary)
      throw new CheckpointError(`${latest}: is a checkpoint, but not one of vqa. Fix: --resume <folder of a vqa run>`);
    return { vocabulary };
  }
  if (start === undefined) return {};
  const { model, vocabulary } = await loadModel(start);
  model.dispose();
  return { vocabulary };
}

/**
 * Encoders with the start's weights, or seeded initial values and published weights; and a new answer head.
 *
 * @param options `folder`: where a checkpoint that is there will give all of it.
 */
export async function createVqaModel(
  config: VqaConfig,
  data: VqaData,
  { blind = false, folder }: { blind?: boolean; folder?: { checkpoints: string } } = {},
): Promise<VqaModel> {
  const options = { answers: data.answers.length, blind };
  if (config.start === undefined || (folder && latestCheckpoint(folder.checkpoints)))
    return new VqaModel(await createModel(encoderConfig(config), data), config, options);
  const { model, config: saved } = await loadModel(config.start);
  for (const key of ['model', 'image'] as const) {
    if (JSON.stringify(saved[key]) === JSON.stringify(config[key])) continue;
    model.dispose();
    throw new ConfigError(
      `${key}: differs from that of the run to start from, ${config.start}. Fix: no --set ${key}.…`,
    );
  }
  return new VqaModel(model, config, options);
}

/** The control: the same training with zeros in place of every image, and its answers. */
async function questionsAlone(
  path: string,
  config: VqaConfig,
  data: VqaData,
  { overwrite, ...how }: { resume: boolean; overwrite: boolean; signal: AbortSignal },
) {
  if (overwrite) rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  const folder = { path, metrics: join(path, 'metrics.jsonl'), checkpoints: join(path, 'checkpoints') };
  const model = await createVqaModel(config, data, { folder, blind: true });
  const trained = await trainVqa(model, data, { folder, label: 'questions alone', ...how });
  const answered = await answerQuestions(model, data, data.images.test);
  model.dispose();
  return { trained, answered };
}

/** The controls' answers to the questions that were answered, in the same order. A broken image is one in all readings. */
function pairedReadings(test: Answered[], controls: Record<'wrongImage' | 'questionOnly', Answered[] | undefined>) {
  const inOrder = (list: Answered[]) => {
    const byId = new Map(list.map((one) => [one.id, one]));
    return test.map((one) => byId.get(one.id) ?? { ...one, prediction: '' });
  };
  const { wrongImage, questionOnly } = controls;
  return {
    test,
    ...(wrongImage && { wrongImage: inOrder(wrongImage) }),
    ...(questionOnly && { questionOnly: inOrder(questionOnly) }),
  };
}
