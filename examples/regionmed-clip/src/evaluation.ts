import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { useBackend } from '@medalign/backend';
import { applyManifest, type MedRegionSample } from '@medalign/datasets';
import { createTokenizer } from '@medalign/encoders';
import { ConfigError } from '@medalign/trainer';
import { type LoadedModel, loadModel } from './checkpoint';
import type { Part } from './config';
import { RegionMedData } from './data';
import { type MedRegionSplit, readDataset, splitOf } from './datasets';
import { measure } from './evaluate';
import { summarize, toJson } from './summary';
import { closingTable } from './table';

export interface EvaluationOptions {
  checkpoint: string;
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

/** Reads a checkpoint on its own test patients or on another data set, and prints the closing table. */
export async function evaluate(options: EvaluationOptions) {
  const { checkpoint, path, backend, json, overwrite } = options;
  const out = options.out ?? `runs/regionmed-evaluate-${new Date().toISOString().replace(/[:.]/g, '-')}`;
  if (existsSync(join(out, 'config.resolved.yaml')))
    throw new ConfigError(`--out ${out}: is the folder of a training run. Fix: another folder`);
  if (existsSync(join(out, 'result.json')) && !overwrite)
    throw new ConfigError(`--out ${out}: holds a result. Fix: --overwrite, or another folder`);
  const engine = await useBackend(backend as 'auto');
  const foreign = path === undefined ? [] : ['data.kind=medregion', `data.path=${JSON.stringify(path)}`];
  const loaded = await loadModel(checkpoint, [...foreign, ...options.sets]);
  const { model, config, vocabulary, step, file } = loaded;
  const { data, samples, part, leaked } = await evaluationData(loaded, options);
  say(`${file}: step ${step}; ${data.dataset.name}, ${part}: ${samples.length} images`);
  const measured = await measure(model, data, samples, { batchSize: config.evaluate.batchSize });
  const summary = summarize(measured, { resamples: config.evaluate.bootstrap, seed: config.seed });
  const result = {
    backend: engine.name,
    checkpoint: file,
    step,
    dataset: data.dataset.name,
    part,
    trainingImages: leaked,
    vocabulary: vocabulary.length,
    test: toJson(summary),
  };
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'result.json'), `${JSON.stringify(result, null, 2)}\n`);
  const warning = leaked > 0 ? `\n! NOT A RESULT: ${leaked} images are of patients that the model was trained on` : '';
  const table = `${closingTable(summary)}${warning}`;
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${table}\n`);
  if (json) say(table);
  model.dispose();
  return result;
}

/**
 * The images to read: the checkpoint's own part, or another data set whole (or a part of it).
 *
 * @throws {ConfigError} if images of training patients would be read and that was not allowed.
 */
async function evaluationData(
  { config, trained, manifest, vocabulary }: LoadedModel,
  { part: wanted, allowTrained }: Pick<EvaluationOptions, 'part' | 'allowTrained'>,
) {
  const dataset = await readDataset(config.data);
  const same = (['kind', 'path', 'seed', 'patients', 'size'] as const).every(
    (key) => config.data[key] === trained[key],
  );
  const part = wanted ?? (same ? 'test' : 'all');
  const { fractions, seed } = config.data;
  const split =
    same && manifest ? (applyManifest(dataset, manifest) as MedRegionSplit) : splitOf(dataset, { fractions, seed });
  const samples: MedRegionSample[] = part === 'all' ? dataset.samples : split[part];
  // Another seed of the phantom gives other patients under the same names.
  const strangers = config.data.kind === 'phantom' && (trained.kind !== 'phantom' || trained.seed !== seed);
  const ids = new Set(strangers ? [] : manifest?.parts.train.ids);
  const patients = new Set(dataset.samples.filter(({ id }) => ids.has(id)).map(({ patientId }) => patientId));
  const leaked = samples.filter(({ patientId }) => patients.has(patientId)).length;
  if (leaked > 0 && !allowTrained) {
    throw new ConfigError(
      `--split ${part}: ${leaked} of ${samples.length} images are of patients that the model was trained on: no result. Fix: --split test; or --allow-training-patients, which the result then says`,
    );
  }
  if (!manifest) say('There is no split.json beside the checkpoint: what it was trained on is not known.');
  const tokenizer = createTokenizer({ vocab: vocabulary, lowercase: config.model.text.lowercase ?? true });
  return { data: new RegionMedData(dataset, split, tokenizer, config), samples, part, leaked };
}
