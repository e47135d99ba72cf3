import { DataError, randomStream, type Sample } from '@medalign/datasets';
import { type Matrix, precisionAtK, recallAtK } from '@medalign/eval-metrics';
import { isFiveBy200 } from './datasets';
import { cosines, imageFeatures, textVectors } from './features';
import { galleryOf, type Queries } from './gallery';
import { onlyClass, type PromptSet, promptSet } from './prompts';
import type { ResultTable, TaskResult } from './result';
import { cannotServe, setting, type Task } from './task';

const precisionKs = [1, 2, 5, 10] as const;
const recallKs = [1, 5, 10] as const;

/** Image → text Precision@K over a balanced gallery, in the form of the paper's Table III, and Recall@K of own reports. */
export async function retrieval(task: Task): Promise<TaskResult> {
  const { data } = task;
  const set = promptSet(data.kind, data.dataset, task.options.prompts);
  const drawn = balanced(task, set);
  const { gallery, galleryFrom } = task.options;
  const reports = data.samples.filter(({ text }) => text.trim() !== '');
  if (!drawn && (reports.length < 2 || gallery || galleryFrom)) {
    const lacks = 'has not two classes with images of one class only, which a gallery is searched for';
    throw cannotServe(
      'retrieval',
      data,
      reports.length < 2 ? `${lacks}, nor reports` : lacks,
      'phantom, mimic-5x200, chexpert-5x200 (prompts, or --gallery-data), covid-chestxray, covid19-radiography (prompts), mimic-cxr-jpg, pairs',
    );
  }
  const tables: ResultTable[] = [];
  const details: Record<string, unknown> = {};
  const notes: string[] = [];
  if (drawn) {
    const { table, notes: found, ...rest } = await precision(task, set, drawn);
    tables.push(table);
    notes.push(...drawn.notes, ...found);
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
function balanced({ data, options, seed }: Task, set: PromptSet): (Queries & { notes: string[] }) | undefined {
  const names = Object.keys(set.classes);
  const of = names.map((_, c) => data.samples.filter((sample) => onlyClass(sample, set, data.kind) === c));
  const filled = of.flatMap((own, c) => (own.length > 0 ? [c] : []));
  if (filled.length < 2) return undefined;
  const fewest = Math.min(...filled.map((c) => of[c]!.length));
  // A 5×200 set is drawn with this number already, and a part of it has fewer.
  const perClass = isFiveBy200(data.kind) ? fewest : (options.perClass ?? fewest);
  if (perClass > fewest) {
    const counts = filled.map((c) => `${names[c]} ${of[c]!.length}`).join(', ');
    throw new DataError(
      `--per-class ${perClass}: ${data.dataset.name} has fewer images of one class alone: ${counts}. Fix: --per-class ${fewest}, or leave it out`,
    );
  }
  const chosen = filled.map((c) => {
    const byId = [...of[c]!].sort((a, b) => (a.id < b.id ? -1 : 1));
    return randomStream(seed, 'retrieval', c).shuffle(byId).slice(0, perClass);
  });
  const empty = names.filter((_, c) => of[c]!.length === 0);
  return {
    samples: chosen.flat(),
    classes: chosen.flatMap((own, i) => own.map(() => filled[i]!)),
    notes: empty.length ? [`No image is of ${empty.join(', ')} alone: ${filled.length} classes are told apart.`] : [],
  };
}

async function precision(task: Task, set: PromptSet, queries: Queries) {
  const { seed } = task;
  const names = Object.keys(set.classes);
  const gallery = await galleryOf(task, set, queries);
  const features = await imageFeatures(task, queries.samples, 'retrieval');
  const classOf = new Map(queries.samples.map((sample, i) => [sample, queries.classes[i]!]));
  const queryClasses = features.samples.map((sample) => classOf.get(sample)!);
  const galleryClasses = gallery.candidates.map((one) => one.class);
  const scores = cosines(
    features.global,
    await textVectors(
      task,
      gallery.candidates.map(({ text }) => text),
    ),
  );

  const size = galleryClasses.length;
  const at = precisionKs.map((k) => (k <= size ? precisionAtK(scores, { k, queryClasses, galleryClasses }) : null));
  // A class with fewer than K texts cannot fill the K places.
  const best = precisionKs.map((k) => (k <= size ? ceiling(k, queryClasses, galleryClasses) : null));
  const present = [...new Set(queryClasses)].sort((a, b) => a - b);
  const counts = present.map((c) => `${names[c]} ${queryClasses.filter((own) => own === c).length}`);
  const table: ResultTable = {
    title: `Image → text retrieval, Precision@K over ${gallery.texts} in % (form of Table III)`,
    caption:
      `On ${setting(task)}, of which ${features.samples.length} are queries, as many of each class, drawn with seed ${seed} from ` +
      `images of one class only: ${counts.join(', ')}. Gallery: ${gallery.what}. Share of the K nearest by cosine of the global vectors that have ` +
      "the image's class, mean over queries, ties to the lower index. Random: the class's share of the gallery. –: K is larger than the gallery.",
    columns: ['', ...precisionKs.map((k) => `Prec@${k}`)],
    rows: [
      ['PLAN', ...at.map((result) => result?.value ?? null)],
      ['random order', ...at.map((result) => result?.chance ?? null)],
      ['best possible', ...best],
    ],
    percent: true,
  };
  const queryIds = features.samples.map(({ id }, i) => ({ id, class: names[queryClasses[i]!] }));
  const texts = gallery.candidates.map(({ text, class: c }) => ({ text, class: names[c] }));
  return {
    table,
    notes: gallery.notes,
    queries: queryIds,
    gallery: { kind: gallery.texts, source: gallery.source, texts },
  };
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
