import { randomStream, type Sample } from '@medalign/datasets';
import { type Matrix, precisionAtK, promptEnsemble, recallAtK } from '@medalign/eval-metrics';
import { cosines, imageFeatures, textVectors } from './features';
import { onlyClass, type PromptSet, promptSet } from './prompts';
import type { ResultTable, TaskResult } from './result';
import { cannotServe, setting, type Task } from './task';

/** The texts that images are to find, each of a class. */
interface Gallery {
  kind: 'reports' | 'prompts';
  texts: string[];
  classes: number[];
}

const precisionKs = [1, 2, 5, 10] as const;
const recallKs = [1, 5, 10] as const;

/** Image → text Precision@K over a balanced gallery, in the form of the paper's Table III, and Recall@K of own reports. */
export async function retrieval(task: Task): Promise<TaskResult> {
  const { data } = task;
  const set = promptSet(data.kind, data.dataset, task.options.prompts);
  const drawn = balanced(task, set);
  const reports = data.samples.filter(({ text }) => text.trim() !== '');
  if (!drawn && reports.length < 2) {
    throw cannotServe(
      'retrieval',
      data,
      'has neither two classes with images of one class only, nor reports',
      'phantom, mimic-5x200, chexpert-5x200 (prompts), covid-chestxray, covid19-radiography (prompts), mimic-cxr-jpg, pairs',
    );
  }
  const tables: ResultTable[] = [];
  const details: Record<string, unknown> = {};
  const notes: string[] = [];
  if (drawn) {
    const { table, ...rest } = await precision(task, set, drawn);
    tables.push(table);
    details.precision = rest;
  } else {
    notes.push('No two classes have images that are of one class only: no Precision@K.');
  }
  if (reports.length >= 2) {
    const { table, ids } = await recall(task, reports);
    tables.push(table);
    details.recall = { images: ids };
  }
  return { tables, notes, details };
}

/** The same number of images of every class, drawn with a seed; undefined without two classes. */
function balanced({ data, options, seed }: Task, set: PromptSet): { samples: Sample[]; classes: number[] } | undefined {
  const of = Object.keys(set.classes).map((_, c) =>
    data.samples.filter((sample) => onlyClass(sample, set, data.kind) === c),
  );
  const least = options.perClass ?? Math.min(...of.map(({ length }) => length).filter((length) => length > 0));
  const enough = of.flatMap((own, c) => (own.length >= least && own.length > 0 ? [c] : []));
  if (enough.length < 2) return undefined;
  const samples: Sample[] = [];
  const classes: number[] = [];
  for (const c of enough) {
    const byId = [...of[c]!].sort((a, b) => (a.id < b.id ? -1 : 1));
    const chosen = randomStream(seed, 'retrieval', c).shuffle(byId).slice(0, least);
    samples.push(...chosen);
    classes.push(...chosen.map(() => c));
  }
  return { samples, classes };
}

async function precision(task: Task, set: PromptSet, { samples, classes }: { samples: Sample[]; classes: number[] }) {
  const { data, seed } = task;
  const names = Object.keys(set.classes);
  const features = await imageFeatures(task, samples, 'retrieval');
  const classOf = new Map(samples.map((sample, i) => [sample, classes[i]!]));
  const queryClasses = features.samples.map((sample) => classOf.get(sample)!);
  const gallery = galleryOf(task, set, features.samples, queryClasses);
  const scores = cosines(features.global, await textVectors(task, gallery.texts));

  const size = gallery.texts.length;
  const at = precisionKs.map((k) =>
    k <= size ? precisionAtK(scores, { k, queryClasses, galleryClasses: gallery.classes }) : null,
  );
  // A class with fewer than K texts cannot fill the K places.
  const best = precisionKs.map((k) => (k <= size ? ceiling(k, queryClasses, gallery.classes) : null));
  const present = [...new Set(queryClasses)].sort((a, b) => a - b);
  const counts = present.map((c) => {
    const count = (list: readonly number[]) => list.filter((own) => own === c).length;
    return `${names[c]} ${count(queryClasses)}${gallery.kind === 'prompts' ? ` (${count(gallery.classes)} prompts)` : ''}`;
  });
  const distinct = new Set(gallery.texts).size;
  const what =
    gallery.kind === 'reports'
      ? `the ${size} reports of the same images, ${distinct} of them different; an image's own report is among them`
      : `${size} prompts of the classes (${data.samples.some(({ text }) => text) ? '--gallery prompts' : 'the set has no reports'})`;
  const table: ResultTable = {
    title: 'Image → text retrieval, Precision@K in % (form of Table III)',
    caption:
      `On ${setting(task)}, of which ${features.samples.length} are queries, as many of each class, drawn with seed ${seed} from ` +
      `images of one class only: ${counts.join(', ')}. Gallery: ${what}. Share of the K nearest by cosine of the global vectors that have ` +
      "the image's class, mean over queries, ties to the lower index. Random: the class's share of the gallery. –: K is larger than the gallery.",
    columns: ['', ...precisionKs.map((k) => `Prec@${k}`)],
    rows: [
      ['PLAN', ...at.map((result) => result?.value ?? null)],
      ['random order', ...at.map((result) => result?.chance ?? null)],
      ['best possible', ...best],
    ],
    percent: true,
  };
  const queries = features.samples.map(({ id }, i) => ({ id, class: names[queryClasses[i]!] }));
  const texts = gallery.texts.map((text, i) => ({ text, class: names[gallery.classes[i]!] }));
  return { table, queries, gallery: { kind: gallery.kind, texts } };
}

function galleryOf({ options }: Task, set: PromptSet, samples: readonly Sample[], classes: number[]): Gallery {
  const spoken = samples.every(({ text }) => text.trim() !== '');
  if (options.gallery === 'reports' || (options.gallery === undefined && spoken)) {
    const texts = samples.flatMap(({ text }, i) => (text.trim() === '' ? [] : [{ text, c: classes[i]! }]));
    if (texts.length)
      return { kind: 'reports', texts: texts.map(({ text }) => text), classes: texts.map(({ c }) => c) };
  }
  const present = [...new Set(classes)].sort((a, b) => a - b);
  const names = Object.keys(set.classes);
  const prompts = promptEnsemble(
    Object.fromEntries(present.map((c) => [names[c]!, set.classes[names[c]!]!.prompts])),
    set,
  );
  return { kind: 'prompts', texts: prompts.texts, classes: prompts.promptClasses.map((i) => present[i]!) };
}

const ceiling = (k: number, queries: readonly number[], gallery: readonly number[]) =>
  queries.reduce((sum, own) => sum + Math.min(k, gallery.filter((other) => other === own).length) / k, 0) /
  queries.length;

async function recall(task: Task, samples: readonly Sample[]) {
  const features = await imageFeatures(task, samples, 'own reports');
  const reports = features.samples.map(({ text }) => text);
  const scores: Matrix = cosines(features.global, await textVectors(task, reports));
  const at = recallKs.map((k) =>
    k <= reports.length ? recallAtK(scores, { k, imageIds: reports, textIds: reports }) : undefined,
  );
  const table: ResultTable = {
    title: 'Image ↔ own report, Recall@K in %',
    caption:
      `On ${setting(task)}, gallery of the ${reports.length} with a report (${new Set(reports).size} different). Share of queries with a true ` +
      'match among the K nearest by cosine of the global vectors; equal reports are matches of each other, ties to the lower index. –: K is larger than the gallery.',
    columns: ['', ...recallKs.map((k) => `R@${k}`)],
    rows: [
      ['image → report', ...at.map((result) => result?.imageToText.value ?? null)],
      ['report → image', ...at.map((result) => result?.textToImage.value ?? null)],
      ['random order', ...at.map((result) => result?.imageToText.chance ?? null)],
    ],
    percent: true,
  };
  return { table, ids: features.samples.map(({ id }) => id) };
}
