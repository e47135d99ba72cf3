import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type ReportTable, textTable, writeReport } from '@medalign/report';
import { RunFolder } from '@medalign/trainer';
import { ablationCurves } from './ablation-curves';
import type { Config } from './config';
import { RegionMedData } from './data';
import { startEngine } from './engine';
import { hardNegativeReadings, type Measurements, measure } from './evaluate';
import { baseline, type Setting } from './settings';
import { type Difference, differences, type Estimate, type Summary, summarize, toJson } from './summary';
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

/** One reading, its seeds pooled: intervals resample images, each with what every seed says of it. */
interface Row {
  name: string;
  group: Setting['group'];
  summary: Summary;
  /** Each seed alone, in their order. */
  perSeed: ReturnType<typeof toJson>[];
  overBaseline?: Record<string, Difference>;
}

const say = (text: string) => process.stderr.write(`${text}\n`);

/** Trains every setting with every seed, and prints the stages beside each other (the form of the paper's Fig 7). */
export async function ablate(options: AblateOptions): Promise<void> {
  const { config, backend, out, overwrite, json, seeds, settings, signal } = options;
  const engine = await startEngine(backend, config);
  const data = await RegionMedData.load(config);
  const path = out ?? `runs/regionmed-ablation-${new Date().toISOString().replace(/[:.]/g, '-')}`;
  // A run that was interrupted goes on: what is measured stays.
  const going = existsSync(`${path}/measurements`) && !overwrite;
  const folder = new RunFolder(path, { config, engine, overwrite, resume: going });
  mkdirSync(folder.file('measurements'), { recursive: true });

  // ── Every setting with every seed ───────────────────────────────────────────────────────────────────────────────
  const pooled = new Map<string, { group: Setting['group']; measured: Measurements[] }>();
  for (const setting of settings) {
    for (const seed of seeds) {
      const own = setting.change({ ...config, seed });
      const file = folder.file(`measurements/${fingerprint(own)}-${seed}.json`);
      const readings = existsSync(file)
        ? reread(readFileSync(file, 'utf8'))
        : await trained(own, data, setting, { signal, label: `${setting.name}, seed ${seed}` });
      if (!existsSync(file)) {
        writeFileSync(`${file}.tmp`, JSON.stringify({ setting: setting.name, seed, readings }));
        renameSync(`${file}.tmp`, file);
      }
      const kept = setting.everyStage ? readings : readings.slice(-1);
      for (const [i, { stage, measured }] of kept.entries()) {
        const name = setting.everyStage ? `${i + 1}. ${stage}` : setting.name;
        const known = pooled.get(name) ?? { group: setting.group, measured: [] };
        pooled.set(name, { ...known, measured: [...known.measured, measured] });
      }
    }
  }

  // ── Seeds together, and the difference from the baseline on the same images ─────────────────────────────────────
  const bootstrap = { resamples: config.evaluate.bootstrap, seed: config.seed };
  const first = pooled.get(baseline);
  const rows = [...pooled].map(([name, { group, measured }]): Row => {
    const together = pool(measured);
    const perSeed = measured.map((one) => toJson(summarize(one, bootstrap)));
    const row = { name, group, summary: summarize(together, bootstrap), perSeed };
    if (!first || name === baseline) return row;
    return { ...row, overBaseline: differences(together, pool(first.measured), bootstrap) };
  });
  const tables = ablationTables(rows, seeds, data.split.test.length);
  const result = { backend: engine.name, seeds, rows };
  writeFileSync(folder.file('ablation.json'), `${JSON.stringify({ ...result, config }, null, 2)}\n`);
  await writeReport(folder.file('report.html'), {
    title: `RegionMed-CLIP ablation on ${data.dataset.name}`,
    summary: `Every setting trained with seeds ${seeds.join(', ')} and read on ${data.split.test.length} images of unseen patients.`,
    curves: ablationCurves(rows),
    tables,
    notes: ['Intervals are 95 % percentile bootstraps over images; what all seeds say of an image is drawn together.'],
    config: { ...config },
    environment: JSON.parse(readFileSync(folder.file('env.json'), 'utf8')),
  });
  folder.finish();
  const text = tables.map(({ title, columns, rows }) => {
    const cells = rows.map((row) => row.map((cell) => shown(cell as string | number | null | Estimate)));
    const titles = columns.map((column) => (typeof column === 'string' ? column : column.title));
    return `${title}\n${textTable(titles, cells)}`;
  });
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${text.join('\n\n')}\n`);
  say(`report: ${folder.file('report.html')}`);
}

interface Reading {
  stage: string;
  measured: Measurements;
}

/** Trains one setting, and reads the test images after each stage (or at the end). */
async function trained(
  config: Config,
  data: RegionMedData,
  { everyStage }: Setting,
  { signal, label }: { signal: AbortSignal; label: string },
): Promise<Reading[]> {
  const own = new RegionMedData(data.dataset, data.split, data.tokenizer, config);
  const model = await createModel(config, own);
  const readings: Reading[] = [];
  const last = config.stages.filter(({ epochs }) => epochs > 0).at(-1)!.name;
  const onStageEnd = async ({ name }: { name: string }) => {
    if (everyStage || name === last) {
      const { batchSize } = config.evaluate;
      readings.push({ stage: name, measured: await measure(model, own, own.split.test, { batchSize }) });
    }
    return {};
  };
  await train(config, own, { model, signal, label, onStageEnd });
  model.dispose();
  return readings;
}

/** JSON has no NaN: a label that is not known. */
function reread(text: string): Reading[] {
  const { readings } = JSON.parse(text) as { readings: Reading[] };
  for (const { measured } of readings)
    for (const one of measured.zeroShot)
      one.labels = one.labels.map((row) => row.map((label: number | null) => label ?? Number.NaN));
  return readings;
}

/** The measurements of several seeds as one. */
export function pool(perSeed: readonly Measurements[]): Measurements {
  return {
    images: perSeed.flatMap(({ images }) => images),
    gallery: perSeed[0]!.gallery,
    recallChance: perSeed[0]!.recallChance,
    rois: perSeed.flatMap(({ rois }) => rois),
    zeroShot: perSeed.flatMap(({ zeroShot }) => zeroShot),
  };
}

export function ablationTables(rows: readonly Row[], seeds: readonly number[], images: number): ReportTable[] {
  const numbers = (titles: readonly string[]) => ['', ...titles.map((title) => ({ title, digits: 3 }))];
  const columns = numbers([
    'R@1',
    'R@10',
    'R@1 with ROIs',
    'hard negatives',
    'ROI alone',
    'whole image',
    'pointing',
    'zero-shot AUC',
  ]);
  const values = ({ name, summary: { recall, recallWithRois, hardNegative, pointing, zeroShotAuc } }: Row) => [
    name,
    ...[
      recall[1],
      recall[10],
      recallWithRois[1],
      hardNegative.fused,
      hardNegative.roi,
      hardNegative.image,
      pointing,
      zeroShotAuc,
    ],
  ];
  const chance = ({ summary: { recall, hardNegative, pointing } }: Row) => [
    'chance',
    ...[recall[1], recall[10], recall[1], ...hardNegativeReadings.map((name) => hardNegative[name]), pointing].map((one) => one.chance), // biome-ignore format: one line
    0.5,
  ];
  const caption = `${images} images of unseen patients, seeds ${seeds.join(', ')} pooled, 95 % bootstrap over images.`;
  const titles = {
    stages: "After each stage (the form of the paper's Fig 7)",
    components: 'One component at a time, after all stages',
  };
  const compared = rows.filter(({ overBaseline }) => overBaseline);
  const names = Object.keys(compared[0]?.overBaseline ?? {});
  return [
    ...(['stages', 'components'] as const).flatMap((group) => {
      const own = rows.filter((row) => row.group === group);
      return own.length
        ? [{ title: titles[group], caption, columns, rows: [...own.map(values), chance(own[0]!)] }]
        : [];
    }),
    ...(seeds.length > 1
      ? [
          {
            title: 'Each seed alone',
            caption: `Seeds ${seeds.join(', ')}: how much training varies.`,
            columns: ['', 'R@1', 'R@1 with ROIs', 'hard negatives', 'pointing', 'zero-shot AUC'],
            rows: rows.map(({ name, perSeed }) => [name, ...perSeedCells(perSeed)]),
          },
        ]
      : []),
    ...(compared.length
      ? [
          {
            title: `Difference from '${baseline}', on the same images`,
            caption,
            columns: numbers(names),
            rows: compared.map(({ name, overBaseline }) => [name, ...names.map((of) => overBaseline![of]!)]),
          },
        ]
      : []),
  ];
}

/** The seeds' numbers side by side. */
function perSeedCells(perSeed: Row['perSeed']): string[] {
  const numbers = perSeed.map(({ recallAt1, recallWithRois, hardNegativeAccuracy, pointing, zeroShotAucMean }) => [
    ...[recallAt1, recallWithRois.recallAt1, hardNegativeAccuracy, pointing, zeroShotAucMean],
  ]);
  return numbers[0]!.map((_, i) => numbers.map((row) => row[i]?.toFixed(3) ?? '–').join('  '));
}

function shown(cell: string | number | null | Estimate): string {
  if (cell === null) return '–';
  if (typeof cell === 'string') return cell;
  if (typeof cell === 'number') return cell.toFixed(3);
  const { value, low, high } = cell;
  return value === null ? '–' : `${value.toFixed(3)} [${low!.toFixed(3)}, ${high!.toFixed(3)}]`;
}

/** A short name for everything that decides what is trained and read. */
function fingerprint({ seed, data, image, model, loss, optimizer, stages, train, evaluate }: Config): string {
  const { zeroShot } = evaluate;
  const text = JSON.stringify({ seed, data, image, model, loss, optimizer, stages, train, zeroShot });
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
