import { DataError, randomStream, type Sample } from '@medalign/datasets';
import {
  accuracy,
  auroc,
  bootstrap,
  logisticRegression,
  macroAuroc,
  promptEnsemble,
  zeroShotScores,
} from '@medalign/eval-metrics';
import { casePictures, casesOf } from './cases';
import { imageFeatures, textVectors } from './features';
import { membership, onlyClass, type PromptSet, promptSet } from './prompts';
import type { Cell, ResultTable, TaskResult } from './result';
import { cannotServe, setting, type Task } from './task';

/** Scores of the images for every class, and what they should be. */
interface Scored {
  /** `[n][c]`, higher is more likely. */
  scores: number[][];
  /** `[n][c]` 1, 0, NaN. */
  labels: number[][];
  /** `[n]` index of the only class; −1 where there is none or several. */
  only: number[];
}

const others =
  'phantom, mimic-5x200, chexpert-5x200, rsna-pneumonia, covid-chestxray, covid19-radiography, mimic-cxr-jpg, pairs with a `label` column; or --prompts';

/** Zero-shot by prompts, and a linear head on the frozen encoder, in the form of the paper's Table V. */
export async function classification(task: Task): Promise<TaskResult> {
  const { data, alignment } = task;
  const set = promptSet(data.kind, data.dataset, task.options.prompts);
  const names = Object.keys(set.classes);
  if (names.length === 1) throw cannotServe('classification', data, `has one class alone, ${names[0]}`, others);
  const samples = labelled(task, data.samples, set);
  const features = await imageFeatures(task, samples, 'classification');
  const truth = truthOf(features.samples, set, task);

  // ── Zero-shot ───────────────────────────────────────────────────────────────────────────────────────────────────
  const ensemble = promptEnsemble(Object.fromEntries(names.map((name) => [name, set.classes[name]!.prompts])), set);
  const texts = await textVectors(task, ensemble.texts);
  const { promptClasses } = ensemble;
  const logitScale = set.exclusive ? 1 / alignment.globalTemperature : 1;
  const zeroShot = zeroShotScores(features.global, texts, { promptClasses, logitScale });
  const zeroShotScored = { ...truth, scores: set.exclusive ? zeroShot.scores.map(softmax) : zeroShot.scores };

  // ── Linear head ─────────────────────────────────────────────────────────────────────────────────────────────────
  const head = await linearHead(task, set, features.pooled);
  const systems: [string, Scored | undefined][] = [
    [`zero-shot by prompts`, zeroShotScored],
    [
      head
        ? `linear head (trained on ${head.labels} labels), which PLAN's Table V calls zero-shot`
        : 'linear head (no training part to train it on)',
      head && { ...truth, scores: head.scores },
    ],
  ];
  const cases = casesOf(features.samples, zeroShotScored, task.config.evaluate.pictures);
  const exact = truth.only.filter((c) => c >= 0).length;
  const trainedOnImages = data.own ? ' The encoder was trained on the images of the head too.' : '';
  const caption =
    `On ${setting(task)}, ${features.samples.length} of them labelled and read. Accuracy: top-1 over the ${exact} images of exactly one class` +
    `${set.exclusive ? '' : ' (others have none or several)'}; balanced: mean over the classes. AUROC: macro over the classes with both labels, mid-ranks. ` +
    `95 % percentile bootstraps over images. Zero-shot: cosine with ${texts.length} prompts (${set.templates.length} templates), ` +
    `mean-embedding${set.exclusive ? `, softmax over the classes at temperature ${alignment.globalTemperature}` : ''}; nothing depends on the other images. ` +
    `Linear head: L2 logistic regression (C 1) on the standardised mean of the last stage, frozen${set.exclusive ? '' : ', one per class'}.${trainedOnImages}`;
  return {
    tables: [
      {
        title: 'Classification (form of Table V)',
        caption,
        columns: ['', 'accuracy', 'balanced', 'macro AUROC'],
        rows: [...systems.map(([name, scored]) => [name, ...summaryRow(scored, task)]), commonest(truth, names)],
      },
      classTable(systems, names, truth, setting(task)),
    ],
    notes: [
      ...(exact < features.samples.length / 2 ? [`Only ${exact} images are of one class.`] : []),
      ...(exact > 0 && new Set(truth.only.filter((c) => c >= 0)).size === 1
        ? ['All of these images are of the same class: accuracy tells nothing apart.']
        : []),
    ],
    details: {
      prompts: ensemble.texts.map((text, i) => ({ text, class: names[ensemble.promptClasses[i]!] })),
      images: features.samples.map(({ id }, i) => ({
        id,
        labels: truth.labels[i]!.map((label) => (Number.isNaN(label) ? null : label)),
        zeroShot: zeroShotScored.scores[i],
        ...(head && { linearHead: head.scores[i] }),
      })),
      ...(head && { linearHead: { trainedOn: head.ids, labels: head.labels, converged: head.converged } }),
    },
    pictures: await casePictures(task, cases, names, { prompts: ensemble.texts, promptClasses, texts }),
  };
}

/** Images with a label that the classes are told by; of exclusive classes, those of one. */
function labelled({ data }: Task, samples: readonly Sample[], set: PromptSet): Sample[] {
  const classes = Object.values(set.classes);
  const kept = samples.filter((sample) =>
    set.exclusive
      ? onlyClass(sample, set, data.kind) >= 0
      : classes.some((own) => !Number.isNaN(membership(sample, own, data.kind))),
  );
  if (kept.length === 0) {
    throw cannotServe(
      'classification',
      data,
      `has no image with a label of ${Object.keys(set.classes).join(', ') || 'any class'}`,
      others,
    );
  }
  return kept;
}

function truthOf(samples: readonly Sample[], set: PromptSet, { data }: Task): Omit<Scored, 'scores'> {
  const only = samples.map((sample) => onlyClass(sample, set, data.kind));
  const classes = Object.values(set.classes);
  const labels = samples.map((sample, i) =>
    classes.map((own, c) => (set.exclusive ? Number(only[i] === c) : membership(sample, own, data.kind))),
  );
  return { labels, only };
}

/** Logistic regression on the frozen image encoder, trained on the training part; undefined if there is none. */
async function linearHead(task: Task, set: PromptSet, test: readonly Float32Array[]) {
  const { data, seed, trainImages } = task;
  if (!data.split || data.part === 'all') return undefined;
  const usable = data.split.train.filter((sample) =>
    set.exclusive ? onlyClass(sample, set, data.kind) >= 0 : sample.labels !== undefined,
  );
  const chosen = randomStream(seed, 'linear head').shuffle(usable).slice(0, trainImages);
  if (chosen.length < 2) return undefined;
  const train = await imageFeatures(task, chosen, 'linear head');
  const { labels, only } = truthOf(train.samples, set, task);
  const standardize = standardizer(train.pooled);
  const [x, inputs] = [train.pooled.map(standardize), test.map(standardize)];
  const ids = train.samples.map(({ id }) => id);
  const classes = Object.keys(set.classes);
  if (set.exclusive) {
    if (new Set(only).size < classes.length) {
      throw new DataError(
        `--task classification: the training part has images of ${new Set(only).size} of the ${classes.length} classes: no head can be trained. Fix: --split all reads zero-shot alone`,
      );
    }
    const fit = logisticRegression(x, only);
    return { scores: fit.probabilities(inputs), labels: ids.length, ids, converged: fit.converged };
  }
  const fits = classes.map((_, c) => {
    const known = labels.flatMap((row, i) => (Number.isNaN(row[c]!) ? [] : [i]));
    const y = known.map((i) => labels[i]![c]!);
    // A class that the training part has one label of has no head, and a constant score.
    return new Set(y).size < 2
      ? undefined
      : logisticRegression(
          known.map((i) => x[i]!),
          y,
        );
  });
  const columns = fits.map((fit) => fit?.probabilities(inputs).map(([, p]) => p!) ?? inputs.map(() => 0));
  return {
    scores: inputs.map((_, i) => columns.map((column) => column[i]!)),
    labels: ids.length,
    ids,
    converged: fits.every((fit) => fit?.converged ?? true),
  };
}

/** (x − mean) / standard deviation of each feature over the training images. */
function standardizer(rows: readonly Float32Array[]): (row: Float32Array) => Float64Array {
  const d = rows[0]!.length;
  const mean = new Float64Array(d);
  const square = new Float64Array(d);
  for (const row of rows) for (let k = 0; k < d; k++) mean[k]! += row[k]! / rows.length;
  for (const row of rows) for (let k = 0; k < d; k++) square[k]! += (row[k]! - mean[k]!) ** 2 / rows.length;
  return (row) => Float64Array.from(row, (value, k) => (value - mean[k]!) / Math.max(Math.sqrt(square[k]!), 1e-6));
}

function summaryRow(scored: Scored | undefined, { resamples, seed }: Task): Cell[] {
  if (!scored) return [null, null, null];
  const rows = scored.scores.map((scores, i) => ({ scores, labels: scored.labels[i]!, only: scored.only[i]! }));
  const single = rows.filter(({ only }) => only >= 0);
  const top1 = (kind: 'value' | 'balanced') => (items: typeof rows) =>
    accuracy(
      items.map(({ scores }) => scores.indexOf(Math.max(...scores))),
      items.map(({ only }) => only),
    )[kind];
  const estimate = (items: typeof rows, statistic: (items: typeof rows) => number | null) => {
    if (items.length === 0) return null;
    const { value, low, high } = bootstrap(items, statistic, { resamples, seed });
    return { value, low, high };
  };
  return [
    estimate(single, top1('value')),
    estimate(single, top1('balanced')),
    estimate(
      rows,
      (items) =>
        macroAuroc(
          items.map(({ scores }) => scores),
          items.map(({ labels }) => labels),
        ).value,
    ),
  ];
}

/** What always naming the most common class scores. */
function commonest({ only }: Omit<Scored, 'scores'>, names: readonly string[]): Cell[] {
  const counts = names.map((_, c) => only.filter((own) => own === c).length);
  const most = counts.indexOf(Math.max(...counts));
  const [exact, seen] = [only.filter((c) => c >= 0).length, counts.filter((count) => count > 0).length];
  return [`always ${names[most]}`, exact ? counts[most]! / exact : null, exact ? 1 / seen : null, 0.5];
}

function classTable(
  systems: readonly [string, Scored | undefined][],
  names: readonly string[],
  { labels }: Omit<Scored, 'scores'>,
  on: string,
): ResultTable {
  const column = (rows: readonly (readonly number[])[], c: number) => rows.map((row) => row[c]!);
  const short = ['zero-shot', 'linear head'];
  return {
    title: 'AUROC by class',
    caption: `On ${on}. One class against the rest, mid-ranks; images whose label is uncertain or missing are left out of that class.`,
    columns: ['', 'positive', 'negative', ...short],
    counts: ['positive', 'negative'],
    rows: names.map((name, c) => {
      const own = column(labels, c);
      const count = (label: number) => own.filter((value) => value === label).length;
      return [name, count(1), count(0), ...systems.map(([, s]) => (s ? auroc(column(s.scores, c), own).value : null))];
    }),
  };
}

function softmax(logits: readonly number[]): number[] {
  const top = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - top));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / total);
}
