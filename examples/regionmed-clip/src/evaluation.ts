import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { useBackend } from '@medalign/backend';
import { applyManifest, type MedRegionSample, patientHash } from '@medalign/datasets';
import { createTokenizer } from '@medalign/encoders';
import { writeReport } from '@medalign/report';
import { ConfigError } from '@medalign/trainer';
import { type LoadedModel, loadModel } from './checkpoint';
import type { EvaluationTask, Part } from './config';
import { RegionMedData } from './data';
import { type MedRegionSplit, readDataset, splitOf } from './datasets';
import { measure } from './evaluate';
import { fewShot } from './few-shot';
import { chosenIds, fewShotCurves, fewShotJson, fewShotTables, fewShotText } from './few-shot-result';
import { summarize, toJson } from './summary';
import { closingTable } from './table';
import { createModel } from './train';

export interface EvaluationOptions {
  checkpoint: string;
  task?: EvaluationTask | undefined;
  /** Few-shot: examples of each class. */
  shots?: readonly number[] | undefined;
  /** Few-shot: draws of them, at least 5. */
  seeds?: number | undefined;
  /** Another MedRegion folder than the one trained on. */
  path?: string | undefined;
  part?: Part | undefined;
  allowTrained: boolean;
  sets: readonly string[];
  out?: string | undefined;
  overwrite: boolean;
  backend: string;
  json: boolean;
}

const say = (text: string) => process.stderr.write(`${text}\n`);

/** What every task is given. */
interface Given {
  loaded: LoadedModel;
  data: RegionMedData;
  samples: readonly MedRegionSample[];
  options: EvaluationOptions;
}

/** What a task gives: numbers for result.json, a closing table, and whatever else it writes. */
interface Outcome<N> {
  numbers: N;
  table: string;
  write?: (folder: string, about: { title: string; summary: string }) => Promise<void>;
}

/** The evaluations, by what `--task` calls them. */
const tasks = { alignment, 'few-shot': fewShotTask } satisfies Record<EvaluationTask, unknown>;
type Numbers<T extends EvaluationTask> = Awaited<ReturnType<(typeof tasks)[T]>>['numbers'];

/** Reads a checkpoint on its own test patients or on another data set, and prints the closing table. */
export async function evaluate<T extends EvaluationTask = 'alignment'>(options: EvaluationOptions & { task?: T }) {
  const { checkpoint, path, backend, json, overwrite, task = 'alignment' } = options;
  const out = options.out ?? `runs/regionmed-evaluate-${new Date().toISOString().replace(/[:.]/g, '-')}`;
  if (existsSync(join(out, 'config.resolved.yaml')))
    throw new ConfigError(`--out ${out}: is the folder of a training run. Fix: another folder`);
  if (existsSync(join(out, 'result.json')) && !overwrite)
    throw new ConfigError(`--out ${out}: holds a result. Fix: --overwrite, or another folder`);
  const engine = await useBackend(backend as 'auto');
  const foreign = path === undefined ? [] : ['data.kind=medregion', `data.path=${JSON.stringify(path)}`];
  const loaded = await loadModel(checkpoint, [...foreign, ...options.sets]);
  const { model, vocabulary, step, file } = loaded;
  try {
    const { data, samples, part, leaked } = await evaluationData(loaded, { ...options, task });
    say(`${file}: step ${step}; ${data.dataset.name}, ${part}: ${samples.length} images`);
    const outcome: Outcome<Numbers<T>> = await tasks[task]({ loaded, data, samples, options });
    const result = {
      task,
      backend: engine.name,
      checkpoint: file,
      step,
      dataset: data.dataset.name,
      part,
      trainingImages: leaked,
      vocabulary: vocabulary.length,
      ...outcome.numbers,
    };
    const warning = leaked > 0 ? `! NOT A RESULT: ${leaked} images are of patients that the model was trained on` : '';
    const about = {
      title: `RegionMed-CLIP, ${task} on ${data.dataset.name}`,
      summary: `Step ${step} of ${file}, on the ${engine.name} engine; ${part}: ${samples.length} images.\n\n${warning}`,
    };
    mkdirSync(out, { recursive: true });
    await outcome.write?.(out, about);
    writeFileSync(join(out, 'result.json'), `${JSON.stringify(result, null, 2)}\n`);
    const table = `${outcome.table}${warning && `\n${warning}`}`;
    process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${table}\n`);
    if (json) say(table);
    return result;
  } finally {
    model.dispose();
  }
}

/** Retrieval, hard negatives, where ROIs look, zero-shot classes. */
async function alignment({ loaded: { model, config }, data, samples }: Given) {
  const measured = await measure(model, data, samples, { batchSize: config.evaluate.batchSize });
  const summary = summarize(measured, { resamples: config.evaluate.bootstrap, seed: config.seed });
  return { numbers: { test: toJson(summary) }, table: closingTable(summary) };
}

/** A few examples of each class, on frozen vectors; which ones goes into few-shot-ids.json. */
async function fewShotTask({ loaded: { model, config }, data, samples, options }: Given) {
  const { shots = [1, 5], seeds = 5 } = options;
  const { image, text } = config.model;
  const missing = [image.weights, text.weights].find((file) => file !== undefined && !existsSync(file));
  if (missing) say(`${missing} is gone: there is no model before training to compare with.`);
  const untrained = missing ? undefined : await createModel(config, data);
  try {
    const parts = { support: data.split.train, test: samples };
    const draws = Array.from({ length: seeds }, (_, seed) => seed);
    const result = await fewShot({ model, untrained, data }, parts, { shots, seeds: draws });
    const { notes } = result;
    return {
      numbers: fewShotJson(result),
      table: fewShotText(result),
      write: async (folder: string, about: { title: string; summary: string }) => {
        const report = { ...about, tables: fewShotTables(result), curves: fewShotCurves(result), notes, config };
        await writeReport(join(folder, 'report.html'), report);
        writeFileSync(join(folder, 'few-shot-ids.json'), `${JSON.stringify(chosenIds(result), null, 2)}\n`);
      },
    };
  } finally {
    untrained?.dispose();
  }
}

/**
 * The images to read: the checkpoint's own part, or another data set whole (or a part of it).
 *
 * @throws {ConfigError} if images of training patients would be read and that was not allowed.
 */
async function evaluationData(
  { config, trained, manifest, vocabulary }: LoadedModel,
  { part: wanted, allowTrained, task }: Pick<EvaluationOptions, 'part' | 'allowTrained' | 'task'>,
) {
  if (task === 'few-shot' && wanted === 'all')
    throw new ConfigError('--split all: --task few-shot chooses examples among other patients than it reads. Fix: --split test'); // biome-ignore format: one line
  const dataset = await readDataset(config.data);
  const same = (['kind', 'path', 'seed', 'patients', 'size'] as const).every(
    (key) => config.data[key] === trained[key],
  );
  const part = wanted ?? (same || task === 'few-shot' ? 'test' : 'all');
  const { fractions, seed } = config.data;
  const split =
    same && manifest ? (applyManifest(dataset, manifest) as MedRegionSplit) : splitOf(dataset, { fractions, seed });
  const samples: MedRegionSample[] = part === 'all' ? dataset.samples : split[part];
  // Another seed of the phantom gives other patients under the same names.
  const strangers = config.data.kind === 'phantom' && (trained.kind !== 'phantom' || trained.seed !== seed);
  const ids = new Set(strangers ? [] : manifest?.parts.train.ids);
  const patients = new Set(dataset.samples.filter(({ id }) => ids.has(id)).map(({ patientId }) => patientId));
  const numbered = config.data.kind === trained.kind && !strangers ? manifest?.parts.train.patientHashes : undefined;
  const hashes = new Set(numbered);
  const leaked = samples.filter(
    ({ patientId }) => patients.has(patientId) || hashes.has(patientHash(patientId)),
  ).length;
  if (leaked > 0 && !allowTrained) {
    throw new ConfigError(
      `--split ${part}: ${leaked} of ${samples.length} images are of patients that the model was trained on: no result. Fix: ${same ? '--split test' : 'leave them out of the data'}; or --allow-training-patients, which the result then says`,
    );
  }
  if (!manifest) say('There is no split.json beside the checkpoint: what it was trained on is not known.');
  const tokenizer = createTokenizer({ vocab: vocabulary, lowercase: config.model.text.lowercase ?? true });
  return { data: new RegionMedData(dataset, split, tokenizer, config), samples, part, leaked };
}
