import { accessSync, constants, existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { useBackend } from '@medalign/backend';
import { createTokenizer } from '@medalign/encoders';
import { writeReport } from '@medalign/report';
import { ConfigError } from '@medalign/trainer';
import { writeSafetensors } from '@medalign/weights';
import { loadModel } from './checkpoint';
import { classification } from './classification';
import { PlanData } from './data';
import type { DataKind } from './datasets';
import { detection } from './detection';
import { evaluationData, type Part } from './evaluation-data';
import { letSignalsIn } from './features';
import { grounding } from './grounding';
import { type MapKind, mapKinds } from './maps';
import { writePictures } from './pictures';
import { reportTable, resultText, type TaskResult } from './result';
import { retrieval } from './retrieval';
import type { Task } from './task';

/** The evaluations, by what `--task` calls them. */
export const tasks = { grounding, retrieval, detection, classification } satisfies Record<
  string,
  (task: Task) => Promise<TaskResult>
>;
export type TaskName = keyof typeof tasks;

/** The images that each task reads if nothing else is said: those that need no training part take a foreign set whole. */
const wholeSet: readonly TaskName[] = ['grounding', 'retrieval'];

export interface EvaluationOptions {
  task: TaskName;
  /** Run folder, checkpoint folder or file. */
  checkpoint: string;
  kind?: DataKind | undefined;
  /** Folder or file of the data set. */
  path?: string | undefined;
  images?: string | undefined;
  reports?: string | undefined;
  map?: MapKind | undefined;
  part?: Part | undefined;
  sets?: readonly string[];
  out?: string | undefined;
  overwrite?: boolean;
  backend?: string;
  json?: boolean;
  trainImages?: number | undefined;
  allowTrained?: boolean | undefined;
  signal?: AbortSignal | undefined;
  options?: Task['options'];
}

const say = (text: string) => process.stderr.write(`${text}\n`);

/** Reads a trained model on one of PLAN's evaluations, prints its tables, and writes them with pictures to a folder. */
export async function evaluate({
  task: name,
  checkpoint,
  kind,
  path,
  images,
  reports,
  map,
  part,
  sets = [],
  out,
  overwrite = false,
  backend = 'auto',
  json = false,
  trainImages = 1000,
  allowTrained,
  signal,
  options = {},
}: EvaluationOptions): Promise<TaskResult> {
  // ── Model and data ──────────────────────────────────────────────────────────────────────────────────────────────
  const folder = resultFolder(name, out, overwrite);
  const engine = await useBackend(backend as 'auto');
  const loaded = await loadModel(checkpoint, sets);
  const { model, config, alignment, vocabulary, step, file } = loaded;
  try {
    const read = {
      images,
      reports,
      labels: name === 'classification' || name === 'retrieval',
      perClass: options.perClass,
    };
    const foreign = kind !== undefined && kind !== loaded.trained.kind;
    const data = await evaluationData(config, loaded, {
      kind,
      path,
      part: part ?? (foreign && wholeSet.includes(name) ? 'all' : 'test'),
      read,
      allowTrained,
    });
    say(`${data.dataset.name}: ${data.samples.length} images to read, step ${step} of ${file}`);
    for (const note of data.dataset.notes) say(`  ${note}`);
    for (const [reason, count] of Object.entries(data.dataset.counts.dropped)) say(`  ${count} left out: ${reason}`);
    for (const note of data.notes) say(`WARNING: ${note}`);
    const split = data.split ?? ({ train: [], validation: [], test: data.samples } as unknown as PlanData['split']);
    const tokenizer = createTokenizer({ vocab: vocabulary, lowercase: config.model.text.lowercase ?? true });
    const plan = new PlanData(data.dataset, split, tokenizer, config);

    // ── The task ──────────────────────────────────────────────────────────────────────────────────────────────────
    const broken = new Map<string, string>();
    const task: Task = {
      model,
      config,
      alignment,
      data,
      tokenize: (texts) => plan.tokenize(texts),
      kinds: map ? [map] : mapKinds,
      seed: config.seed,
      resamples: config.evaluate.bootstrap,
      trainImages,
      signal,
      broken,
      options,
    };
    const result = await tasks[name](task);
    await letSignalsIn(signal);
    const lost = broken.size
      ? [`${broken.size} images cannot be decoded and are left out: ${first(broken.keys())}.`]
      : [];
    const notes = [...data.notes, ...result.notes, ...lost];

    // ── Tables, pictures ──────────────────────────────────────────────────────────────────────────────────────────
    const record = {
      task: name,
      checkpoint: { file, step },
      backend: engine.name,
      dataset: {
        kind: data.kind,
        name: data.dataset.name,
        part: data.part,
        images: data.samples.length,
        options: data.dataset.options ?? null,
        counts: data.dataset.counts,
      },
      skipped: Object.fromEntries(broken),
      trainingPatients: { ...data.leaked, known: loaded.manifest !== undefined },
      seed: task.seed,
      tables: result.tables,
      notes,
    };
    mkdirSync(folder, { recursive: true });
    for (const earlier of written) rmSync(join(folder, earlier), { recursive: true, force: true });
    await writePictures(join(folder, 'overlays'), result.pictures ?? []);
    await writeReport(join(folder, 'report.html'), {
      title: `PLAN, ${name} on ${data.dataset.name}`,
      summary: `Step ${step} of ${file}, on the ${engine.name} engine.`,
      tables: result.tables.map(reportTable),
      overlays: result.pictures ?? [],
      notes,
      config,
    });
    if (result.weights) {
      const entries = [...result.weights].map(([key, value]) => [key, { dtype: 'F32', ...value }] as const);
      await writeSafetensors(join(folder, 'segmentation-head.safetensors'), new Map(entries));
    }
    // Last: a folder with a result.json is whole.
    const whole = join(folder, 'result.json');
    writeFileSync(`${whole}.tmp`, `${JSON.stringify({ ...record, details: result.details }, null, 2)}\n`);
    renameSync(`${whole}.tmp`, whole);
    const text = resultText(result.tables, notes);
    process.stdout.write(json ? `${JSON.stringify(record)}\n` : `${text}\n`);
    if (json) say(text);
    say(`written to ${folder}`);
    return { ...result, notes };
  } finally {
    model.dispose();
  }
}

const first = (names: Iterable<string>) => {
  const all = [...names];
  return `${all.slice(0, 5).join(', ')}${all.length > 5 ? ', …' : ''}`;
};

/** What a result is made of. */
const written = ['result.json', 'overlays', 'report.html', 'segmentation-head.safetensors'];

/** The folder for the result, which nothing else may be in the way of: better now than after an hour. */
function resultFolder(name: string, out: string | undefined, overwrite: boolean): string {
  const folder = out ?? `runs/plan-${name}-${new Date().toISOString().replace(/[:.]/g, '-')}`;
  let above = folder;
  while (!existsSync(above) && dirname(above) !== above) above = dirname(above);
  if (!statSync(above).isDirectory()) throw new ConfigError(`--out ${folder}: ${above} is a file, expected a folder`);
  try {
    accessSync(above, constants.W_OK);
  } catch (error) {
    throw new ConfigError(`--out ${folder}: cannot write to ${above}: ${(error as Error).message}`, { cause: error });
  }
  if (existsSync(join(folder, 'checkpoints'))) {
    throw new ConfigError(
      `--out ${folder}: is the folder of a training run, whose report it would replace. Fix: another folder`,
    );
  }
  if (!overwrite && existsSync(join(folder, 'result.json'))) {
    throw new ConfigError(`--out ${folder}: there is a result.json already. Fix: --overwrite, or another folder`);
  }
  return folder;
}
