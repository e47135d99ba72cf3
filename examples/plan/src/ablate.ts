import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { writeReport } from '@medalign/report';
import { ConfigError, RunFolder } from '@medalign/trainer';
import { ablationTables, ablationText, baseline, type Row, tableText } from './ablation-table';
import type { Config } from './config';
import { PlanData } from './data';
import { differences } from './differences';
import { startEngine } from './engine';
import { type Measurements, measure } from './evaluate';
import { mapKinds } from './maps';
import { resolveAlignment, resolveModel } from './recipes';
import type { Setting } from './settings';
import { recallOf, summarize } from './summary';
import { createModel, train } from './train';

export interface AblateOptions {
  config: Config;
  backend: string;
  out?: string | undefined;
  overwrite: boolean;
  json: boolean;
  seeds: readonly number[];
  settings: readonly Setting[];
  signal: AbortSignal;
}

const say = (text: string) => process.stderr.write(`${text}\n`);

/** Trains every setting with every seed, reads each model with all three maps, and prints the tables. */
export async function ablate({
  config,
  backend,
  out,
  overwrite,
  json,
  seeds,
  settings,
  signal,
}: AblateOptions): Promise<void> {
  const engine = await startEngine(backend, config);
  const data = await PlanData.load(config);
  if (!data.split.test.some((sample) => sample.findings?.length))
    throw new ConfigError(`--ablate: ${data.dataset.name} has no phrase boxes to read grounding on`);
  const path = out ?? `runs/plan-ablation-${new Date().toISOString().replace(/[:.]/g, '-')}`;
  // A run that was interrupted goes on: what is measured stays.
  const going = existsSync(`${path}/measurements`) && !overwrite;
  const folder = new RunFolder(path, { config, engine, overwrite, resume: going });
  mkdirSync(folder.file('measurements'), { recursive: true });

  const rows: Row[] = [];
  const pooled = new Map<string, Measurements>();
  for (const setting of settings) {
    const perSeed: Measurements[] = [];
    for (const seed of seeds) {
      const own: Config = {
        ...config,
        seed,
        recipe: setting.recipe,
        model: { ...config.model, image: { ...config.model.image, ...setting.image } },
        alignment: { ...config.alignment, ...setting.alignment },
      };
      const alignment = resolveAlignment(own);
      // Settings of different tables can be the same training run: the key is what was trained, not its name.
      const key = `${fingerprint({ own, alignment })}-${seed}`;
      const file = folder.file(`measurements/${key}.json`);
      if (existsSync(file)) {
        perSeed.push(JSON.parse(readFileSync(file, 'utf8')).measured);
        continue;
      }
      const model = await createModel(own, data);
      const { seconds } = await train(own, alignment, data, { model, signal, label: `${setting.name}, seed ${seed}` });
      const measured = await measure(model, data, data.split.test, {
        alignment,
        batchSize: config.evaluate.batchSize,
        seed: config.seed,
      });
      model.dispose();
      writeFileSync(`${file}.tmp`, JSON.stringify({ setting: setting.name, seed, seconds, alignment, measured }));
      renameSync(`${file}.tmp`, file);
      perSeed.push(measured);
    }
    const together = pool(perSeed);
    pooled.set(setting.name, together);
    rows.push(...rowsOf(setting, seeds, perSeed, together, config));
    say(tableText(rows.filter((row) => row.setting === setting.name)));
  }
  const options = { resamples: config.evaluate.bootstrap, seed: config.seed };
  const measured = pooled.get(baseline.setting);
  if (measured) {
    for (const row of rows.filter(({ setting }) => setting !== baseline.setting)) {
      const reading = { measured: pooled.get(row.setting)!, kind: row.map };
      row.overBaseline = differences(reading, { measured, kind: baseline.kind }, options);
    }
  }

  const text = ablationText(rows);
  writeFileSync(folder.file('ablation.json'), `${JSON.stringify({ backend: engine, seeds, config, rows }, null, 2)}\n`);
  await writeReport(folder.file('report.html'), {
    title: `PLAN ablation on ${data.dataset.name}`,
    summary: `Every setting trained with seeds ${seeds.join(', ')} and read on ${data.split.test.length} images of unseen patients with three kinds of map.`,
    tables: ablationTables(rows),
    notes: [
      'Intervals are 95 % percentile bootstraps over images; the phrases of all seeds of an image are drawn together.',
    ],
    config,
    environment: JSON.parse(readFileSync(folder.file('env.json'), 'utf8')),
  });
  folder.finish();
  process.stdout.write(json ? `${JSON.stringify({ backend: engine.name, seeds, rows })}\n` : `${text}\n`);
  say(`report: ${folder.file('report.html')}`);
}

/** The measurements of several seeds as one. */
function pool(perSeed: Measurements[]): Measurements {
  const pooled: Measurements = {
    records: perSeed.flatMap((m) => m.records),
    pairs: { words: [], phrase: [], gradcam: [] },
    retrieval: undefined,
  };
  for (const kind of mapKinds) pooled.pairs[kind] = perSeed.flatMap((m) => m.pairs[kind]);
  return pooled;
}

function rowsOf(
  setting: Setting,
  seeds: readonly number[],
  perSeed: Measurements[],
  pooled: Measurements,
  config: Config,
): Row[] {
  const recalls = perSeed.map((m) => recallOf(m, 10));
  const recallSeeds = recalls.map(({ value }) => value!);
  const recallAt10 = {
    value: recallSeeds.reduce((a, b) => a + b, 0) / seeds.length,
    seeds: recallSeeds,
    chance: recalls[0]!.chance!,
  };
  return mapKinds.map((kind) => {
    const { cnr, signedCnr, specificity, sameCategorySpecificity, pointing, wrongPhraseSignedCnr } = summarize(
      pooled,
      kind,
      {
        resamples: config.evaluate.bootstrap,
        seed: config.seed,
      },
    )!;
    return {
      setting: setting.name,
      group: setting.group,
      seeds,
      map: kind,
      cnr,
      signedCnr,
      specificity,
      sameCategorySpecificity,
      pointing,
      wrongPhraseSignedCnr,
      recallAt10,
    };
  });
}

/** A short name for everything that decides what is trained. */
function fingerprint({ own, alignment }: { own: Config; alignment: unknown }): string {
  const { seed, data, image, optimizer, train } = own;
  const text = JSON.stringify({ seed, data, image, model: resolveModel(own), optimizer, train, alignment });
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
