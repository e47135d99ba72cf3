import { DataError, isNoFinding, type MedRegionSample } from '@medalign/datasets';
import { accuracy, type FewShotProbe, fewShotProbe, macroAuroc } from '@medalign/eval-metrics';
import type { RegionMedData } from './data';
import { encodedSamples } from './encoded';
import { promptScores } from './evaluate';
import type { RegionMedModel } from './model';

/** What is told apart: the findings of a modality, its pathologies where there is an ROI, or the modalities. */
export const groups = ['findings', 'pathologies', 'modalities'] as const;
export type Group = (typeof groups)[number];

/** An image as a frozen model sees it, and what it shows. */
export interface Shown {
  id: string;
  patientId: string;
  modality: string;
  /** The one class that it is labelled with; undefined: none, or several. */
  finding: string | undefined;
  /** `[d]` unit vector of the image, the one that texts are compared with. */
  image: Float32Array;
  /** `[d]` unit vector: the mean over its ROIs after they have looked at it; undefined: it has none. */
  rois: Float32Array | undefined;
}

/** One thing to tell apart: examples are chosen from `support`, and `test` is classified. */
export interface Question {
  group: Group;
  /** The modality, or 'modality'. */
  name: string;
  classes: string[];
  support: Shown[];
  test: Shown[];
}

/** The answers that one kind of vector gives to one question. */
export interface Answer {
  question: Question;
  /** By the number of examples of each class. */
  shots: Map<number, FewShotProbe>;
  /** By prompts, without any example. */
  zeroShot?: { accuracy: number; auroc: number | null };
}

/** A kind of vector, and what it answers to every question of a group. */
export interface System {
  group: Group;
  vector: string;
  answers: Answer[];
}

export interface FewShotOptions {
  /** Examples of each class. */
  shots: readonly number[];
  /** Draws of them. */
  seeds: readonly number[];
}

export interface FewShotResult extends FewShotOptions {
  systems: System[];
  /** What was left out, and why. */
  notes: string[];
}

const vectors = {
  image: ({ image }: Shown) => image,
  ROIs: ({ rois }: Shown) => rois!,
  'image and ROIs': ({ image, rois }: Shown) => Float32Array.of(...image, ...rois!),
} as const;

/** What a question is asked about an image: its class. */
export const classOf = ({ group }: Pick<Question, 'group'>, shown: Shown) =>
  group === 'modalities' ? shown.modality : shown.finding;

/**
 * Few-shot classification of frozen vectors: k examples of each class are chosen among `support`, a logistic regression is
 * fitted to them, and `test` is classified. Beside the model, on the same examples: the model before training, and what
 * prompts say without any example.
 */
export async function fewShot(
  { model, untrained, data }: { model: RegionMedModel; untrained?: RegionMedModel | undefined; data: RegionMedData },
  { support, test }: Record<'support' | 'test', readonly MedRegionSample[]>,
  options: FewShotOptions,
): Promise<FewShotResult> {
  const read = async (of: RegionMedModel) => ({
    support: await shown(of, data, support),
    test: await shown(of, data, test),
  });
  const { questions, notes } = questionsOf(await read(model), options);
  const systems: System[] = (Object.keys(vectors) as (keyof typeof vectors)[]).flatMap((vector) =>
    groups.flatMap((group) => {
      // an image without an ROI would tell by that alone that it is normal
      const asked = questions.filter((one) => one.group === group && (vector === 'image' || group === 'pathologies'));
      return asked.length
        ? [{ group, vector, answers: asked.map((one) => answer(one, vectors[vector], options)) }]
        : [];
    }),
  );
  for (const { answers } of systems.filter(({ group, vector }) => group === 'findings' && vector === 'image')) {
    for (const one of answers) one.zeroShot = await byPrompts(model, data, one.question);
  }
  if (untrained) {
    const { questions: asked } = questionsOf(await read(untrained), options);
    for (const group of groups) {
      const answers = asked.filter((one) => one.group === group).map((one) => answer(one, vectors.image, options));
      if (answers.length) systems.push({ group, vector: 'image, before training', answers });
    }
  }
  systems.sort((a, b) => groups.indexOf(a.group) - groups.indexOf(b.group));
  return { ...options, systems, notes };
}

async function shown(model: RegionMedModel, data: RegionMedData, samples: readonly MedRegionSample[]) {
  const result: Shown[] = [];
  const { batchSize } = data.config.evaluate;
  for await (const { sample, global, rois } of encodedSamples(model, data, samples, { batchSize, texts: false })) {
    const { id, patientId, modality } = sample;
    const mean = rois.length ? unitMean(rois.map(({ fused }) => fused)) : undefined;
    result.push({ id, patientId, modality, finding: onlyFinding(sample), image: global, rois: mean });
  }
  return result;
}

/** The class that an image is labelled with, if there is exactly one. */
export function onlyFinding({ labels = {} }: Pick<MedRegionSample, 'labels'>): string | undefined {
  const present = Object.keys(labels).filter((name) => labels[name] === 1);
  return present.length === 1 ? present[0] : undefined;
}

/**
 * Everything that can be asked of these images. A class is left out if fewer images than the most shots show it, so that
 * all numbers of shots answer the same question.
 *
 * @throws {DataError} if nothing can be asked.
 */
export function questionsOf(
  { support, test }: Record<'support' | 'test', readonly Shown[]>,
  { shots }: Pick<FewShotOptions, 'shots'>,
): { questions: Question[]; notes: string[] } {
  const most = Math.max(...shots);
  const patients = new Set(test.map(({ patientId }) => patientId));
  const apart = support.filter(({ patientId }) => !patients.has(patientId));
  const all = [...support, ...test];
  const unclear = all.filter(({ finding }) => finding === undefined).length;
  const notes: string[] = [];
  if (unclear) notes.push(`${unclear} of ${all.length} images are not labelled with exactly one class: in 'modalities' alone.`); // biome-ignore format: one line
  if (apart.length < support.length) notes.push(`${support.length - apart.length} images of test patients are no examples.`); // biome-ignore format: one line
  const scarce: string[] = [];

  const ask = (group: Group, name: string, keep: (one: Shown) => boolean): Question[] => {
    const own = (one: Shown) => keep(one) && classOf({ group }, one) !== undefined;
    const counts = new Map<string, number>();
    for (const one of all.filter(own)) counts.set(classOf({ group }, one)!, 0);
    for (const one of apart.filter(own))
      counts.set(classOf({ group }, one)!, counts.get(classOf({ group }, one)!)! + 1);
    const classes = [...counts.keys()].filter((label) => counts.get(label)! >= most).sort();
    const few = [...counts].filter(([, count]) => count < most);
    if (few.length && group !== 'pathologies')
      scarce.push(...few.map(([label, count]) => `${group === 'findings' ? `${name}: ` : ''}${label} (${count})`));
    const chosen = (one: Shown) => own(one) && classes.includes(classOf({ group }, one)!);
    const question = { group, name, classes, support: apart.filter(chosen), test: test.filter(chosen) };
    return classes.length >= 2 && question.test.length > 0 ? [question] : [];
  };
  const modalities = [...new Set(test.map(({ modality }) => modality))].sort();
  const questions = [
    ...modalities.flatMap((name) => ask('findings', name, ({ modality }) => modality === name)),
    ...modalities.flatMap(
      (name) =>
      ask('pathologies', name, ({ modality, finding, rois }) => modality === name && rois !== undefined && !isNoFinding(finding ?? '')), // biome-ignore format: one line
    ),
    ...ask('modalities', 'modality', () => true),
  ];
  if (scarce.length) notes.push(`Classes with fewer than ${most} images of training patients are left out, and so are their test images: ${scarce.join(', ')}.`); // biome-ignore format: one line
  if (questions.length === 0) {
    throw new DataError(
      `--task few-shot: no modality has two classes with ${most} images each among the ${apart.length} of training patients. Fix: fewer --shots, or a larger data set`,
    );
  }
  return { questions, notes };
}

function answer(question: Question, vector: (one: Shown) => Float32Array, { shots, seeds }: FewShotOptions): Answer {
  const labelled = (images: readonly Shown[]) => ({
    features: images.map(vector),
    labels: images.map((one) => classOf(question, one)!),
  });
  const [train, test] = [labelled(question.support), labelled(question.test)];
  return {
    question,
    shots: new Map(shots.map((shotsPerClass) => [shotsPerClass, fewShotProbe(train, test, { shotsPerClass, seeds })])),
  };
}

async function byPrompts(model: RegionMedModel, data: RegionMedData, { classes, test, ...question }: Question) {
  // an image has one of the classes: what it has with all prompts says nothing
  const scores = await promptScores(model, data, classes, test.map(({ image }) => image), 'softmax'); // biome-ignore format: one call
  const truth = test.map((one) => classOf(question, one)!);
  const told = scores.map((row) => classes[row.indexOf(Math.max(...row))]!);
  const labels = truth.map((label) => classes.map((name) => Number(name === label)));
  return { accuracy: accuracy(told, truth).value, auroc: macroAuroc(scores, labels).value };
}

function unitMean(rows: readonly Float32Array[]): Float32Array {
  const sum = rows[0]!.map((_, i) => rows.reduce((total, row) => total + row[i]!, 0));
  const norm = Math.hypot(...sum);
  return norm > 0 ? sum.map((value) => value / norm) : sum;
}
