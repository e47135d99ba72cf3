import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { useBackend } from '@medalign/backend';
import { type ReportTable, writeReport } from '@medalign/report';
import { ConfigError, RunFolder } from '@medalign/trainer';
import type { Config } from './config';
import { PlanData } from './data';
import { type Measurements, measure } from './evaluate';
import { mapKinds } from './maps';
import { resolveAlignment, resolveModel } from './recipes';
import { type Setting, settings } from './settings';
import { type Estimate, recallOf, summarize } from './summary';
import { textTable } from './table';
import { createModel, train } from './train';

export interface AblateOptions {
  config: Config;
  backend: string;
  out?: string | undefined;
  overwrite: boolean;
  json: boolean;
  seeds: string;
  settings?: string | undefined;
  smoke: boolean;
  signal: AbortSignal;
}

/** What one setting gave, its seeds pooled: intervals resample images, each with the phrases of every seed. */
interface Row {
  setting: string;
  group: Setting['group'];
  seeds: number[];
  map: string;
  cnr: Estimate;
  signedCnr: Estimate;
  specificity: Estimate;
  sameCategorySpecificity: Estimate;
  pointing: Estimate;
  wrongPhraseSignedCnr: Estimate;
  recallAt10: { value: number; seeds: number[]; chance: number };
}

const say = (text: string) => process.stderr.write(`${text}\n`);
const titles: Record<Setting['group'], string> = {
  loss: 'Loss settings (the paper’s Table VI)',
  iterations: 'Iterations T (the paper’s Fig 6)',
  negatives: 'Negatives of the local loss (linear attention, features reused)',
  attention: 'Attention over pixels (negatives: images)',
};

/** Trains every setting with every seed, reads each model with all three maps, and prints the tables. */
export async function ablate({
  config,
  backend,
  out,
  overwrite,
  json,
  seeds,
  settings: wanted,
  smoke,
  signal,
}: AblateOptions): Promise<void> {
  const seedList = seeds.split(',').map(Number);
  if (seedList.length === 0 || !seedList.every(Number.isInteger))
    throw new ConfigError(`--seeds: expected whole numbers such as 0,1,2, got ${seeds}`);
  const chosen = chooseSettings(wanted, smoke);
  const engine = await useBackend(backend as 'auto');
  const data = await PlanData.load(config);
  if (!data.split.test.some((sample) => sample.findings?.length))
    throw new ConfigError(`--ablate: ${data.dataset.name} has no phrase boxes to read grounding on`);
  const path = out ?? `runs/plan-ablation-${new Date().toISOString().replace(/[:.]/g, '-')}`;
  // A run that was interrupted goes on: what is measured stays.
  const going = existsSync(`${path}/measurements`) && !overwrite;
  const folder = new RunFolder(path, { config, engine, overwrite, resume: going });
  mkdirSync(folder.file('measurements'), { recursive: true });

  const rows: Row[] = [];
  for (const setting of chosen) {
    const perSeed: Measurements[] = [];
    for (const seed of seedList) {
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
    rows.push(...rowsOf(setting, seedList, perSeed, config));
    say(tableText(rows.filter((row) => row.setting === setting.name)));
  }

  const groups = [...new Set(chosen.map(({ group }) => group))];
  const text = groups
    .map((group) => `${titles[group]}\n${tableText(rows.filter((row) => row.group === group))}`)
    .join('\n\n');
  writeFileSync(
    folder.file('ablation.json'),
    `${JSON.stringify({ backend: engine, seeds: seedList, config, rows }, null, 2)}\n`,
  );
  await writeReport(folder.file('report.html'), {
    title: `PLAN ablation on ${data.dataset.name}`,
    summary: `Every setting trained with seeds ${seedList.join(', ')} and read on ${data.split.test.length} images of unseen patients with three kinds of map.`,
    tables: groups.map((group) =>
      reportTable(
        titles[group],
        rows.filter((row) => row.group === group),
      ),
    ),
    notes: [
      'Intervals are 95 % percentile bootstraps over images; the phrases of all seeds of an image are drawn together.',
    ],
    config,
    environment: JSON.parse(readFileSync(folder.file('env.json'), 'utf8')),
  });
  folder.finish();
  process.stdout.write(json ? `${JSON.stringify({ backend: engine.name, seeds: seedList, rows })}\n` : `${text}\n`);
  say(`report: ${folder.file('report.html')}`);
}

function chooseSettings(wanted: string | undefined, smoke: boolean): Setting[] {
  if (!wanted) return smoke ? settings.slice(0, 2) : settings;
  const names = wanted.split(';').map((name) => name.trim());
  for (const name of names) {
    if (!settings.some((s) => s.name === name || s.group === name)) {
      throw new ConfigError(
        `--settings: no setting or table '${name}'; there are ${settings.map((s) => `'${s.name}'`).join('; ')} (separate them by ;)`,
      );
    }
  }
  return settings.filter((s) => names.includes(s.name) || names.includes(s.group));
}

function rowsOf(setting: Setting, seeds: number[], perSeed: Measurements[], config: Config): Row[] {
  const pooled: Measurements = {
    records: perSeed.flatMap((m) => m.records),
    pairs: { words: [], phrase: [], gradcam: [] },
    retrieval: undefined,
  };
  for (const kind of mapKinds) pooled.pairs[kind] = perSeed.flatMap((m) => m.pairs[kind]);
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

const columns = ['setting', 'map', 'CNR', 'signed CNR', 'specificity', 'same category', 'pointing', 'R@10'];

function tableText(rows: Row[]): string {
  const cell = ({ value, low, high }: Estimate) => `${value?.toFixed(2)} [${low?.toFixed(2)}, ${high?.toFixed(2)}]`;
  return textTable(
    columns,
    rows.map((r) => [
      r.setting,
      r.map,
      cell(r.cnr),
      cell(r.signedCnr),
      cell(r.specificity),
      cell(r.sameCategorySpecificity),
      cell(r.pointing),
      r.recallAt10.value.toFixed(3),
    ]),
  );
}

function reportTable(title: string, rows: Row[]): ReportTable {
  return {
    title,
    caption: `R@10 over both directions, chance ${rows[0]?.recallAt10.chance.toFixed(3)}.`,
    columns,
    rows: rows.map((r) => [
      r.setting,
      r.map,
      r.cnr,
      r.signedCnr,
      r.specificity,
      r.sameCategorySpecificity,
      r.pointing,
      r.recallAt10.value,
    ]),
  };
}

/** A short name for everything that decides what is trained. */
function fingerprint({ own, alignment }: { own: Config; alignment: unknown }): string {
  const { seed, data, image, optimizer, train } = own;
  const text = JSON.stringify({ seed, data, image, model: resolveModel(own), optimizer, train, alignment });
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
