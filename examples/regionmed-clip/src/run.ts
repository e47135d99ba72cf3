import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkSameSplit, writeManifest } from '@medalign/datasets';
import { type MetricsLine, RunFolder, readMetrics } from '@medalign/trainer';
import type { Config } from './config';
import { RegionMedData } from './data';
import type { EncodedSample } from './encoded';
import { startEngine } from './engine';
import { measure } from './evaluate';
import { writeRegionMedReport } from './report';
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

/** What a stage left, as the metrics say. */
export type StageLine = MetricsLine & { stage: string; test: ReturnType<typeof toJson> };

/** Train, evaluate, report: the main job of the example. */
export async function run({ config, backend, out, resume, overwrite, json, signal }: RunOptions): Promise<void> {
  // ── Engine, data, run folder ────────────────────────────────────────────────────────────────────────────────────
  const engine = await startEngine(backend, config);
  const data = await RegionMedData.load(config);
  const { train: training, validation, test } = data.split;
  data.checkBatchSizes();
  say(
    `${data.dataset.name}: ${training.length} images to train on, ${validation.length} to validate, ${test.length} to test, split by patient`,
  );
  for (const note of data.dataset.notes) say(`  ${note}`);
  for (const [reason, count] of Object.entries(data.dataset.counts.dropped)) say(`  ${count} left out: ${reason}`);
  if (resume !== undefined) await checkSameSplit(join(resume, 'split.json'), data.split.manifest);
  const folder = new RunFolder(resume ?? out ?? `runs/regionmed-${new Date().toISOString().replace(/[:.]/g, '-')}`, {
    config,
    engine,
    resume: resume !== undefined,
    overwrite,
  });
  await writeManifest(folder.file('split.json'), data.split.manifest);

  // ── Before training ─────────────────────────────────────────────────────────────────────────────────────────────
  const model = await createModel(config, data);
  const bootstrap = { resamples: config.evaluate.bootstrap, seed: config.seed };
  const read = async () => {
    const encoded: EncodedSample[] = [];
    const measured = await measure(model, data, test, { batchSize: config.evaluate.batchSize, keep: encoded });
    return { measured, summary: summarize(measured, bootstrap), encoded };
  };
  say('reading the model before training …');
  const { encoded: _, ...before } = await read();

  // ── Training ────────────────────────────────────────────────────────────────────────────────────────────────────
  let last: Awaited<ReturnType<typeof read>> | undefined;
  const onStageEnd = async () => {
    last = await read();
    return { test: toJson(last.summary) };
  };
  const trained = await train(config, data, {
    model,
    run: folder,
    resume: resume !== undefined,
    signal,
    ...(config.evaluate.stages && { onStageEnd }),
  });
  say(
    `trained ${trained.steps} steps in ${trained.seconds.toFixed(0)} s; ${trained.skippedImages} broken images skipped, ${trained.emptySteps} steps without an ROI`,
  );

  // ── After training ──────────────────────────────────────────────────────────────────────────────────────────────
  // the last stage's reading is of the trained model
  const { encoded, ...after } = last ?? (await read());
  const stages = readMetrics(folder.metrics).filter(({ kind }) => kind === 'stage') as StageLine[];
  const report = await writeRegionMedReport({ folder, config, engine, data, before, after, encoded, stages });
  const result = {
    backend: engine.name,
    seconds: Math.round(trained.seconds * 10) / 10,
    seed: config.seed,
    test: toJson(after.summary),
    before: toJson(before.summary),
    steps: trained.steps,
    stages: stages.map(({ stage, step, seconds, test }) => ({ stage, step, seconds, test })),
    report,
  };
  writeFileSync(folder.file('result.json'), `${JSON.stringify(result, null, 2)}\n`);
  folder.finish();
  const table = closingTable(after.summary, before.summary);
  if (json) {
    say(table);
    process.stdout.write(`${JSON.stringify(result)}\n`);
  } else {
    process.stdout.write(`${table}\n`);
  }
  say(`report: ${report}`);
  model.dispose();
}
