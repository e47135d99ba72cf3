import { useBackend } from '@medalign/backend';
import type { MedRegionSample } from '@medalign/datasets';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Batch, onEngine, RegionMedData } from './data';
import { classOf, fewShot, onlyFinding, questionsOf, type Shown } from './few-shot';
import { chosenIds, fewShotJson, fewShotRows, fewShotText } from './few-shot-result';
import { configOf } from './testing/tiny';
import { areaTwin, average, cosine, type Row } from './testing/twins';
import { createModel } from './train';

const shown = (id: number, modality: string, finding: string | undefined, rois = true): Shown => ({
  id: `i${id}`,
  patientId: `p${id}`,
  modality,
  finding,
  image: new Float32Array(2),
  rois: rois ? new Float32Array(2) : undefined,
});

/** Four images of each class. */
const many = (first: number, classes: readonly (readonly [string, string])[], each = 4) =>
  classes.flatMap(([modality, finding], c) =>
    Array.from({ length: each }, (_, i) => shown(first + c * each + i, modality, finding, finding !== 'No Finding')),
  );
const classes = [
  ['chest', 'nodule'],
  ['chest', 'cavity'],
  ['chest', 'No Finding'],
  ['breast', 'mass'],
  ['breast', 'lipoma'],
] as const;

describe('what is asked', () => {
  it('asks for the findings of each modality, for pathologies where there are ROIs, and for the modality', () => {
    const { questions, notes } = questionsOf(
      { support: many(0, classes), test: many(100, classes) },
      { shots: [1, 4] },
    );
    expect(questions.map(({ group, name, classes }) => [group, name, ...classes])).toEqual([
      ['findings', 'breast', 'lipoma', 'mass'],
      ['findings', 'chest', 'No Finding', 'cavity', 'nodule'],
      ['pathologies', 'breast', 'lipoma', 'mass'],
      ['pathologies', 'chest', 'cavity', 'nodule'],
      ['modalities', 'modality', 'breast', 'chest'],
    ]);
    expect(questions.map(({ support, test }) => [support.length, test.length])).toEqual([[8, 8], [12, 12], [8, 8], [8, 8], [20, 20]]); // biome-ignore format: one line
    expect(notes).toEqual([]);
  });

  it('leaves out scarce classes for all numbers of shots, and says so', () => {
    const support = many(0, classes).filter(({ id }) => id !== 'i0'); // three nodules are left
    const { questions, notes } = questionsOf({ support, test: many(100, classes) }, { shots: [1, 4] });
    const chest = questions.find(({ group, name }) => group === 'findings' && name === 'chest')!;
    expect(chest.classes).toEqual(['No Finding', 'cavity']);
    expect(chest.test.length).toBe(8);
    expect(notes.join()).toContain('chest: nodule (3)');
    expect(() => questionsOf({ support, test: many(100, classes) }, { shots: [100] })).toThrow(/Fix: fewer --shots/);
  });

  it('never takes an image of a test patient as an example, nor one of several classes', () => {
    const test = many(100, classes);
    const twin = { ...test[0]!, id: 'other image of a test patient' };
    const vague = shown(999, 'chest', undefined);
    const { questions, notes } = questionsOf({ support: [...many(0, classes), twin, vague], test }, { shots: [1] });
    for (const question of questions) {
      const patients = new Set(question.test.map(({ patientId }) => patientId));
      expect(question.support.some(({ patientId }) => patients.has(patientId))).toBe(false);
      expect(question.support.includes(vague)).toBe(question.group === 'modalities');
    }
    expect(notes.join(' ')).toMatch(/1 of 42 images are not labelled.* 1 images of test patients are no examples/);
  });

  it('knows an image by its only label', () => {
    const of = (labels?: Record<string, number>) => onlyFinding({ labels } as Pick<MedRegionSample, 'labels'>);
    expect(of({ 'No Finding': 0, nodule: 1, cavity: 0 })).toBe('nodule');
    expect(of({ nodule: 1, cavity: 1 })).toBeUndefined();
    expect(of({ nodule: 0, cavity: Number.NaN })).toBeUndefined();
    expect(of()).toBeUndefined();
  });
});

describe('few-shot classification', () => {
  beforeAll(() => useBackend('wasm') as Promise<unknown>);

  it('equals a plain classifier on the same examples, and leaves no tensor behind', async () => {
    const config = configOf('data.patients=150', 'data.fractions={train: 0.5, validation: 0.1, test: 0.4}', 'model.roi.features=align'); // biome-ignore format: one line
    const data = await RegionMedData.load(config);
    const model = await createModel(config, data);
    const untrained = await createModel({ ...config, seed: 9 }, data);
    const before = tf.memory().numTensors;
    const seeds = [0, 1, 2, 3, 4];
    const parts = { support: data.split.train, test: data.split.test };
    const result = await fewShot({ model, untrained, data }, parts, { shots: [1, 2], seeds });
    expect(tf.memory().numTensors).toBe(before);
    expect(new Set(result.systems.map(({ group, vector }) => `${group}: ${vector}`))).toEqual(
      new Set([
        'findings: image',
        'findings: image, before training',
        'pathologies: image',
        'pathologies: ROIs',
        'pathologies: image and ROIs',
        'pathologies: image, before training',
        'modalities: image',
        'modalities: image, before training',
      ]),
    );

    // ids: k of each class, of training patients, another choice for every seed
    const known = new Map(data.dataset.samples.map((sample) => [sample.id, sample]));
    const testPatients = new Set(data.split.test.map(({ patientId }) => patientId));
    const ids = chosenIds(result);
    expect(ids.length).toBe(2 * 5 * new Set(ids.map(({ of, name }) => of + name)).size);
    for (const { of, name, shots, images } of ids) {
      const count = new Map<string, number>();
      for (const id of images) {
        const sample = known.get(id)!;
        expect(testPatients.has(sample.patientId)).toBe(false);
        const label = of === 'modalities' ? sample.modality : onlyFinding(sample)!;
        if (of !== 'modalities') expect(sample.modality).toBe(name);
        count.set(label, (count.get(label) ?? 0) + 1);
      }
      expect(new Set(images).size).toBe(images.length);
      expect([...count.values()].every((n) => n === shots)).toBe(true);
    }
    const choices = ids
      .filter(({ of, shots }) => of === 'modalities' && shots === 2)
      .map(({ images }) => images.join());
    expect(new Set(choices).size).toBe(5);

    // the classifier again, by plain gradient descent on the same examples
    const system = result.systems.find(({ group, vector }) => group === 'pathologies' && vector === 'image and ROIs')!;
    const { question, shots } = system.answers[0]!;
    const vector = ({ image, rois }: Shown) => [...image, ...rois!];
    for (const run of shots.get(2)!.runs.slice(0, 2)) {
      const examples = run.chosen.map((i) => question.support[i]!);
      const scores = softmaxRegression(examples.map(vector), examples.map((one) => question.classes.indexOf(classOf(question, one)!)), question.classes.length, question.test.map(vector)); // biome-ignore format: one line
      const truth = question.test.map((one) => question.classes.indexOf(classOf(question, one)!));
      const right = scores.map((row, i) => Number(row.indexOf(Math.max(...row)) === truth[i]));
      expect(run.accuracy).toBeCloseTo(average(right), 10);
      const areas = question.classes.flatMap((_, c) => areaTwin(scores.map((row) => row[c]!), truth.map((t) => Number(t === c))) ?? []); // biome-ignore format: one line
      expect(run.auroc).toBeCloseTo(average(areas), 10);
    }

    // means over modalities first, then over draws
    const [row] = fewShotRows({ ...result, systems: [system] });
    const perDraw = seeds.map((_, s) => average(system.answers.map((one) => one.shots.get(1)!.runs[s]!.accuracy)));
    expect(row!.shots[1]!.accuracy.mean).toBeCloseTo(average(perDraw), 10);
    const spread = Math.sqrt(average(perDraw.map((value) => (value - average(perDraw)) ** 2)));
    expect(row!.shots[1]!.accuracy.std).toBeCloseTo(spread, 10);
    expect(row!.chance).toBeCloseTo(average(system.answers.map((one) => 1 / one.question.classes.length)), 10);
    const json = fewShotJson(result);
    expect(JSON.parse(JSON.stringify(json))).toEqual(json);
    expect(fewShotText(result)).toContain(row!.shots[1]!.accuracy.mean!.toFixed(3));
    for (const one of [model, untrained]) one.dispose();
  });

  it('has the vectors that retrieval has: an ROI-less image has no ROI vector, and the others their mean', async () => {
    const config = configOf('data.patients=60', 'model.roi.features=align');
    const data = await RegionMedData.load(config);
    const model = await createModel(config, data);
    const parts = { support: data.split.train, test: data.split.test };
    const { systems } = await fewShot({ model, data }, parts, { shots: [1], seeds: [0, 1, 2, 3, 4] });
    const { value } = await data.evaluationBatches(data.split.test, 1000).next();
    const batch = value as Batch;
    const inputs = onEngine(batch.share, data.tokenizer, config, { regions: false });
    const encoded = model.encodeRegions(inputs);
    const [global, fused] = [encoded.global.arraySync() as Row[], encoded.fused.arraySync() as Row[][]];
    inputs.dispose();
    tf.dispose([encoded.tokens, encoded.global, encoded.rois, encoded.fused]);
    const read = systems.find(({ group }) => group === 'modalities')!.answers[0]!.question.test;
    expect(read.length).toBeGreaterThan(5);
    for (const one of read) {
      const i = batch.samples.findIndex(({ id }) => id === one.id);
      expect(cosine(one.image, global[i]!)).toBeCloseTo(1, 5);
      const count = batch.roiNumbers[i]!.length;
      expect(one.rois === undefined).toBe(count === 0);
      if (!one.rois) continue;
      const mean = Array.from(global[i]!, (_, c) => average(fused[i]!.slice(0, count).map((roi) => roi[c]!)));
      expect(cosine(one.rois, mean)).toBeCloseTo(1, 5);
      expect(Math.hypot(...one.rois)).toBeCloseTo(1, 5);
    }
    model.dispose();
  });
});

/** Minimises Σ −log p + ½‖W‖² by plain gradient descent; the probabilities of other rows. Two classes share one vector, as scikit-learn has it. */
function softmaxRegression(x: number[][], y: number[], classes: number, rows: number[][]): number[][] {
  const width = x[0]!.length;
  const free = classes === 2 ? [1] : Array.from({ length: classes }, (_, c) => c);
  const w = Array.from({ length: classes }, () => new Float64Array(width + 1));
  const probabilities = (row: number[]) => {
    const powers = w.map((own) => Math.exp(row.reduce((sum, v, j) => sum + v * own[j]!, own[width]!)));
    const total = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / total);
  };
  for (let step = 0; step < 6000; step++) {
    const now = x.map(probabilities);
    for (const c of free) {
      for (let j = 0; j <= width; j++) {
        const slope = x.reduce((sum, row, i) => sum + (now[i]![c]! - Number(y[i] === c)) * (row[j] ?? 1), 0);
        w[c]![j]! -= 0.1 * (slope + (j < width ? w[c]![j]! : 0));
      }
    }
  }
  return rows.map(probabilities);
}
