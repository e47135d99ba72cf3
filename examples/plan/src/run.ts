import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkSameSplit, writeManifest } from '@medalign/datasets';
import { RunFolder } from '@medalign/trainer';
import type { Config } from './config';
import { PlanData } from './data';
import { startEngine } from './engine';
import { measure } from './evaluate';
import { exportModel, modelFile } from './export';
import type { MapKind } from './maps';
import { resolveAlignment } from './recipes';
import { writePlanReport } from './report';
import { summarize, toJson } from './summary';
import { closingTable } from './table';
import { createModel, train } from './train';

export interface RunOptions {
  config: Config;
  backend: string;
  out?: string | undefined;
  resume?: string | undefined;
  overwrite: boolean;
  json: boolean;
  signal: AbortSignal;
}

const say = (text: string) => process.stderr.write(`${text}\n`);

/** Train, evaluate, report: the main job of the example. */
export async function run({ config, backend, out, resume, overwrite, json, signal }: RunOptions): Promise<void> {
  // ── Engine, data, run folder ────────────────────────────────────────────────────────────────────────────────────
  const engine = await startEngine(backend, config);
  const alignment = resolveAlignment(config);
  const data = await PlanData.load(config);
  const { train: training, validation, test } = data.split;
  data.stepsPerEpoch(); // or an error before the first reading
  say(
    `${data.dataset.name}: ${training.length} images to train on, ${validation.length} to validate, ${test.length} to test, split by patient`,
  );
  for (const note of data.dataset.notes) say(`  ${note}`);
  for (const [reason, count] of Object.entries(data.dataset.counts.dropped)) say(`  ${count} left out: ${reason}`);
  if (resume !== undefined) await checkSameSplit(join(resume, 'split.json'), data.split.manifest);
  const folder = new RunFolder(resume ?? out ?? `runs/plan-${new Date().toISOString().replace(/[:.]/g, '-')}`, {
    config: { ...config, alignment },
    engine,
    resume: resume !== undefined,
    overwrite,
  });
  await writeManifest(folder.file('split.json'), data.split.manifest);
  rmSync(folder.file(modelFile), { force: true }); // of the run that this one takes the place of

  // ── Before training ─────────────────────────────────────────────────────────────────────────────────────────────
  const model = await createModel(config, data);
  const reading = { alignment, batchSize: config.evaluate.batchSize, seed: config.seed };
  const kind = headlineMap(config);
  const bootstrap = { resamples: config.evaluate.bootstrap, seed: config.seed };
  say('reading the model before training …');
  const measuredBefore = await measure(model, data, test, reading);
  const before = { measured: measuredBefore, grounding: summarize(measuredBefore, kind, bootstrap) };

  // ── Training ────────────────────────────────────────────────────────────────────────────────────────────────────
  const trained = await train(config, alignment, data, { model, run: folder, resume: resume !== undefined, signal });
  say(
    `trained ${trained.steps} steps in ${trained.seconds.toFixed(0)} s; ${trained.skippedImages} broken images skipped`,
  );

  const { tokenizer } = data;
  await exportModel(folder.file(modelFile), model, { config, alignment, tokenizer, map: kind });

  // ── After training ──────────────────────────────────────────────────────────────────────────────────────────────
  const measured = await measure(model, data, test, reading);
  const after = { measured, grounding: summarize(measured, kind, bootstrap) };
  const report = await writePlanReport({ folder, config, alignment, engine, data, model, before, after, kind });
  const result = {
    backend: engine.name,
    seconds: Math.round(trained.seconds * 10) / 10,
    seed: config.seed,
    recipe: config.recipe,
    steps: trained.steps,
    test: toJson(measured, after.grounding),
    before: toJson(measuredBefore, before.grounding),
    report,
  };
  writeFileSync(folder.file('result.json'), `${JSON.stringify(result, null, 2)}\n`);
  folder.finish();
  const table = closingTable(after, before);
  if (json) {
    say(table);
    process.stdout.write(`${JSON.stringify(result)}\n`);
  } else {
    process.stdout.write(`${table}\n`);
  }
  say(`report: ${report}`);
  say(`model: ${folder.file(modelFile)}`);
  model.dispose();
}

/** The map that the headline numbers are read from: the one its recipe is trained for, unless the configuration says. */
export function headlineMap({ evaluate, recipe }: Pick<Config, 'evaluate' | 'recipe'>): MapKind {
  if (evaluate.map !== 'auto') return evaluate.map;
  return recipe === 'global' ? 'phrase' : 'words';
}
