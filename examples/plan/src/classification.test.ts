import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { useBackend } from '@medalign/backend';
import { phantomCategories, type Sample } from '@medalign/datasets';
import { csv, miniatureCovid19Radiography, picture, put } from '@medalign/testing/miniatures';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { casesOf } from './cases';
import type { PlanData } from './data';
import { readDataset } from './datasets';
import type { ResultTable } from './result';
import { cell, evaluateTiny, temporaryFolder, trainTiny } from './testing/trained';
import {
  aurocTwin,
  cosine,
  deviation,
  gridMap,
  interval,
  mean,
  type OpenModel,
  onOriginal,
  openModel,
} from './testing/twins';

interface Scored {
  id: string;
  scores: number[];
  labels: number[];
}

/** Mean unit vector of each class's prompts. */
async function centresTwin(open: OpenModel, prompts: { text: string; class: string }[]) {
  const classes = [...new Set(prompts.map((prompt) => prompt.class))];
  const centres: number[][] = [];
  for (const name of classes) {
    const units: number[][] = [];
    for (const { text } of prompts.filter((prompt) => prompt.class === name)) {
      const { global } = await open.text(text);
      units.push(global.map((value) => value / Math.hypot(...global)));
    }
    centres.push(units[0]!.map((_, k) => mean(units.map((unit) => unit[k]!))));
  }
  return centres;
}

/** Mean unit vector of a class's prompts against the image, as the method says. */
async function zeroShotTwin(open: OpenModel, samples: readonly Sample[], prompts: { text: string; class: string }[]) {
  const centres = await centresTwin(open, prompts);
  const scores: number[][] = [];
  for (const sample of samples) {
    const { global } = await open.image(sample);
    scores.push(centres.map((centre) => cosine(global, centre)));
  }
  return scores;
}

async function pooledTwin(open: OpenModel, samples: readonly Sample[]) {
  const rows: number[][] = [];
  for (const sample of samples) {
    const { last } = await open.image(sample);
    rows.push(last[0]!.map((_, c) => mean(last.map((cell) => cell[c]!))));
  }
  return rows;
}

/** Probability of the label 1 by logistic regression with ½‖w‖² and C = 1, by Newton's method on standardised features. */
function logisticTwin(train: number[][], labels: number[], test: number[][]): number[] {
  const d = train[0]!.length;
  const columns = Array.from({ length: d }, (_, k) => train.map((row) => row[k]!));
  const scaled = (row: number[]) => [
    ...row.map((v, k) => (v - mean(columns[k]!)) / Math.max(deviation(columns[k]!), 1e-6)),
    1,
  ];
  const x = train.map(scaled);
  const w = new Array(d + 1).fill(0);
  const p = (row: number[]) => 1 / (1 + Math.exp(-row.reduce((sum, v, k) => sum + v * w[k], 0)));
  for (let step = 0; step < 100; step++) {
    const penalty = (k: number) => (k < d ? 1 : 0);
    const gradient = w.map(
      (v, k) => penalty(k) * v + x.reduce((sum, row, i) => sum + (p(row) - labels[i]!) * row[k]!, 0),
    );
    const hessian = w.map((_, a) =>
      w.map(
        (_, b) =>
          (a === b ? penalty(a) : 0) + x.reduce((sum, row) => sum + p(row) * (1 - p(row)) * row[a]! * row[b]!, 0),
      ),
    );
    const move = solve(hessian, gradient);
    for (let k = 0; k <= d; k++) w[k] -= move[k]!;
  }
  return test.map((row) => p(scaled(row)));
}

/** Gauss's elimination. */
function solve(matrix: number[][], right: number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]!]);
  rows.forEach((_, i) => {
    const pivot = rows.slice(i).reduce((best, row) => (Math.abs(row[i]!) > Math.abs(best[i]!) ? row : best));
    rows.splice(rows.indexOf(pivot, i), 1);
    rows.splice(i, 0, pivot);
    rows.forEach((row, j) => {
      if (j === i) return;
      const factor = row[i]! / pivot[i]!;
      for (let k = i; k < row.length; k++) row[k]! -= factor * pivot[k]!;
    });
  });
  return rows.map((row, i) => row.at(-1)! / row[i]!);
}

const draw = { resamples: 40, seed: 0 };
const macroTwin = (rows: readonly Scored[]) => {
  const areas = rows[0]!.labels.flatMap(
    (_, c) =>
      aurocTwin(
        rows.map(({ scores }) => scores[c]!),
        rows.map(({ labels }) => labels[c]!),
      ) ?? [],
  );
  return areas.length ? mean(areas) : null;
};
const truth = ({ labels }: Scored) => labels.indexOf(1);
const right = ({ scores, labels }: Scored) => Number(scores.indexOf(Math.max(...scores)) === labels.indexOf(1));
const balancedTwin = (rows: readonly Scored[]) => {
  const classes = [...new Set(rows.map(truth))];
  return mean(classes.map((c) => mean(rows.filter((row) => truth(row) === c).map(right))));
};

/** Both tables of one system. */
function compare(
  [main, byClass]: ResultTable[],
  row: RegExp,
  column: string,
  rows: Scored[],
  classes: readonly string[],
) {
  const single = rows.filter(({ labels }) => labels.filter((label) => label === 1).length === 1);
  const expectEstimate = (name: string, items: Scored[], statistic: (items: Scored[]) => number | null) => {
    if (items.length === 0) return expect(cell(main!, row, name)).toBeNull();
    const { value, low, high } = cell(main!, row, name) as { value: number; low: number; high: number };
    const [a, b] = interval(items, statistic, ({ id }) => id, draw);
    expect(value).toBeCloseTo(statistic(items)!, 6);
    expect(low).toBeCloseTo(a, 6);
    expect(high).toBeCloseTo(b, 6);
  };
  expectEstimate('accuracy', single, (items) => mean(items.map(right)));
  expectEstimate('balanced', single, balancedTwin);
  expectEstimate('macro AUROC', rows, macroTwin);
  classes.forEach((name, c) => {
    const labels = rows.map((r) => r.labels[c]!);
    expect(cell(byClass!, name, 'positive')).toBe(labels.filter((label) => label === 1).length);
    expect(cell(byClass!, name, 'negative')).toBe(labels.filter((label) => label === 0).length);
    const area = aurocTwin(
      rows.map(({ scores }) => scores[c]!),
      labels,
    );
    if (area === null) expect(cell(byClass!, name, column)).toBeNull();
    else expect(cell(byClass!, name, column)).toBeCloseTo(area, 6);
  });
  const counts = classes.map((_, c) => single.filter((r) => truth(r) === c).length);
  if (single.length) expect(cell(main!, /^always /, 'accuracy')).toBeCloseTo(Math.max(...counts) / single.length, 9);
  const seen = counts.filter((count) => count > 0).length;
  if (single.length) expect(cell(main!, /^always /, 'balanced')).toBeCloseTo(1 / seen, 9);
  expect(cell(main!, /^always /, 'macro AUROC')).toBe(0.5);
  if (single.length)
    expect(String(main!.rows.at(-1)![0])).toBe(`always ${classes[counts.indexOf(Math.max(...counts))]}`);
}

type Details = {
  prompts: { text: string; class: string }[];
  images: { id: string; labels: number[]; zeroShot: number[]; linearHead?: number[] }[];
  linearHead?: { trainedOn: string[]; labels: number };
};

describe('--task classification', () => {
  const folder = temporaryFolder();
  const run = join(folder.path, 'run');
  let data: PlanData;
  beforeAll(async () => {
    await useBackend('wasm');
    data = await trainTiny(run);
  });
  afterAll(folder.remove);

  it('prints what plain loops find for findings that occur together', async () => {
    const { tables, details } = await evaluateTiny(run, { task: 'classification' });
    const { prompts, images, linearHead } = details as Details;
    const { test, train } = data.split;
    const open = await openModel(run);
    const labels = test.map((sample) => phantomCategories.map((name) => sample.labels![name]!));

    const zeroShot = await zeroShotTwin(open, test, prompts);
    zeroShot.flat().forEach((value, i) => {
      expect(images.flatMap((image) => image.zeroShot)[i]).toBeCloseTo(value, 5);
    });
    const rowsOf = (scores: number[][]) => test.map(({ id }, i) => ({ id, scores: scores[i]!, labels: labels[i]! }));
    compare(tables, /^zero-shot/, 'zero-shot', rowsOf(zeroShot), phantomCategories);
    expect(prompts.map(({ text }) => text)).toContain('there is pleural effusion');
    const exact = labels.filter((row) => row.filter((label) => label === 1).length === 1).length;
    expect(tables[0]!.caption).toContain(`${test.length} images, ${test.length} of them labelled and read.`);
    expect(tables[0]!.caption).toContain(`top-1 over the ${exact} images of exactly one class`);
    expect(tables[0]!.caption).toContain(`cosine with ${prompts.length} prompts (3 templates)`);

    const [given, wanted] = [await pooledTwin(open, train), await pooledTwin(open, test)];
    open.model.dispose();
    const head = phantomCategories.map((name) => {
      const y = train.map((sample) => sample.labels![name]!);
      return new Set(y).size === 2 ? logisticTwin(given, y, wanted) : wanted.map(() => 0);
    });
    const scores = test.map((_, i) => head.map((column) => column[i]!));
    scores.flat().forEach((value, i) => {
      expect(images.flatMap((image) => image.linearHead!)[i]).toBeCloseTo(value, 3);
    });
    compare(tables, /^linear head/, 'linear head', rowsOf(scores), phantomCategories);
    expect([...linearHead!.trainedOn].sort()).toEqual(train.map(({ id }) => id).sort());
    const name = String(tables[0]!.rows[1]![0]);
    expect(name).toBe(`linear head (trained on ${train.length} labels), which PLAN's Table V calls zero-shot`);
  });

  it('prints what plain loops find for classes that exclude each other', async () => {
    const path = join(folder.path, 'covid19');
    await miniatureCovid19Radiography(path);
    const { samples } = await readDataset('covid19-radiography', path);
    const classes = ['COVID', 'Normal'];
    const binary = samples.filter(({ labels }) => labels!.COVID === 1 || labels!.Normal === 1);
    const options = { task: 'classification', kind: 'covid19-radiography', path } as const;
    const whole = await evaluateTiny(run, { ...options, part: 'all' });
    const { prompts } = whole.details as Details;
    const open = await openModel(run);
    const temperature = open.alignment.globalTemperature;
    const zeroShot = (await zeroShotTwin(open, binary, prompts)).map(([a, b]) => {
      const p = 1 / (1 + Math.exp((b! - a!) / temperature));
      return [p, 1 - p];
    });
    const rowsOf = (of: readonly Sample[], scores: number[][]) =>
      of.map(({ id, labels }, i) => ({ id, scores: scores[i]!, labels: classes.map((name) => labels![name]!) }));
    compare(whole.tables, /^zero-shot/, 'zero-shot', rowsOf(binary, zeroShot), classes);
    expect(cell(whole.tables[0]!, /^linear head \(no training part/, 'accuracy')).toBeNull();

    const sets = ['data.fractions={train: 0.5, validation: 0.1, test: 0.4}', 'data.seed=5'];
    const split = await evaluateTiny(run, { ...options, part: 'test', sets });
    const { images, linearHead } = split.details as Details;
    const of = (ids: readonly string[]) => ids.map((id) => samples.find((sample) => sample.id === id)!);
    const [train, test] = [of(linearHead!.trainedOn), of(images.map(({ id }) => id))];
    expect(train.some((sample) => test.includes(sample))).toBe(false);
    // The second class against the first, as the classes are in order.
    const normal = logisticTwin(
      await pooledTwin(open, train),
      train.map(({ labels }) => labels!.Normal!),
      await pooledTwin(open, test),
    );
    open.model.dispose();
    compare(
      split.tables,
      /^linear head/,
      'linear head',
      rowsOf(
        test,
        normal.map((p) => [1 - p, p]),
      ),
      classes,
    );
  });

  it('shows what spoke for the predicted and for the true class, of images that it got right and wrong', async () => {
    const path = join(folder.path, 'covid19');
    await miniatureCovid19Radiography(path);
    const { samples } = await readDataset('covid19-radiography', path);
    const out = join(folder.path, 'drawn');
    const sets = ['evaluate.pictures=3'];
    const options = { task: 'classification', kind: 'covid19-radiography', path, part: 'all', sets, out } as const;
    const { details, pictures } = await evaluateTiny(run, options);
    const { prompts, images } = details as Details;
    const open = await openModel(run);
    const centres = await centresTwin(open, prompts);
    const classes = ['COVID', 'Normal'];
    const cases = images.map(({ id, zeroShot, labels }) => {
      const [truth, predicted] = [labels.indexOf(1), zeroShot[1]! > zeroShot[0]! ? 1 : 0];
      return { id, truth, predicted, right: truth === predicted, zeroShot };
    });
    const [right, wrong] = [true, false].map((kind) => cases.filter((one) => one.right === kind));
    const wanted = [...right!.slice(0, Math.max(2, 3 - wrong!.length)), ...wrong!].slice(0, 3);
    expect(pictures!.map(({ title }) => title)).toEqual(
      wanted.map(({ id, right: ok }) => `Image ${id}, ${ok ? 'right' : 'wrong'}`),
    );
    for (const [i, { id, truth, predicted, right: ok, zeroShot }] of wanted.entries()) {
      const { caption, overlays } = pictures![i]!;
      const said = (c: number) => `${classes[c]} (${zeroShot[c]!.toFixed(3)})`;
      expect(caption).toBe(
        ok ? `Zero-shot: ${said(truth)}, which it is.` : `Zero-shot: ${said(predicted)}; it is ${said(truth)}.`,
      );
      const drawn = (ok ? [truth] : [predicted, truth]).flatMap((c) =>
        (['phrase', 'gradcam'] as const).map((kind) => ({ c, kind })),
      );
      expect(overlays).toHaveLength(drawn.length);
      const image = await open.image(samples.find((sample) => sample.id === id)!);
      const maps = drawn.map(({ c, kind }) => {
        const grid = gridMap(kind, open, image, { words: [], global: centres[c]! });
        return { kind, values: onOriginal(grid, image.side, image.placement) };
      });
      for (const [j, { c, kind }] of drawn.entries()) {
        const { title, map, range, image: under } = overlays[j]!;
        expect(title).toBe(
          `${ok ? 'predicted and true' : c === predicted ? 'predicted' : 'true'}: ${classes[c]}, ${kind}`,
        );
        expect([map!.width, map!.height]).toEqual([under.width, under.height]);
        Array.from(map!.data).forEach((value, k) => {
          if (Number.isNaN(value)) expect(maps[j]!.values[k]).toBeNaN();
          else expect(value).toBeCloseTo(maps[j]!.values[k]!, 4);
        });
        // One colour means one value in all maps of a kind.
        const values = maps.flatMap((one) => (one.kind === kind ? one.values.filter((v) => !Number.isNaN(v)) : []));
        const [low, high] = [Math.min(...values), Math.max(...values)];
        if (range) expect([range[0], range[1]]).toEqual([expect.closeTo(low, 4), expect.closeTo(high, 4)]);
        else expect(high - low).toBeLessThan(1e-5);
      }
    }
    open.model.dispose();
    const files = readdirSync(join(out, 'overlays'));
    expect(files).toHaveLength(pictures!.reduce((sum, { overlays }) => sum + overlays.length, 0));
    expect(files).toContain(
      `${wanted[0]!.id.replace(/[^\w.-]+/g, '_')}_right-1-predicted_and_true_${classes[wanted[0]!.truth]}-phrase.png`,
    );
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain(`Image ${wanted[0]!.id}, right`);
  });

  it('shows right and wrong images, as many of each if there are', () => {
    const samples = [0, 1, 2, 3, 4, 5].map((i) => ({ id: String(i) }) as Sample);
    const one = (count: number, truth: number[]) =>
      casesOf(samples, { scores: samples.map(() => [0.9, 0.1]), only: truth }, count).map(({ sample }) => sample.id);
    expect(one(4, [1, 0, 1, 0, 1, 0])).toEqual(['1', '3', '0', '2']);
    expect(one(3, [1, 0, 1, 0, 1, 0])).toEqual(['1', '3', '0']);
    expect(one(4, [0, 0, 0, 0, 0, 1])).toEqual(['0', '1', '2', '5']);
    expect(one(4, [1, 1, 1, 1, 1, 0])).toEqual(['5', '0', '1', '2']);
    expect(one(4, [-1, -1, 0, -1, -1, -1])).toEqual(['2']);
    expect(one(0, [0, 0, 1, 1, 0, 0])).toEqual([]);
  });

  it('reads around images that are broken, and says which; of classes that are one it says nothing', async () => {
    const table = async (name: string, labels: string[]) => {
      const path = join(folder.path, `${name}.csv`);
      await put(
        path,
        csv(
          'image,text,label',
          labels.map((label, i) => `${name}-${i}.png,text ${i},${label}`),
        ),
      );
      for (const i of labels.keys()) await put(join(folder.path, `${name}-${i}.png`), await picture('png', 36, 36, i));
      return { task: 'classification', kind: 'pairs', path, part: 'all' } as const;
    };
    const options = await table('torn', ['a', 'b', 'a', 'b', 'a']);
    await put(join(folder.path, 'torn-4.png'), 'no picture');
    const out = join(folder.path, 'torn');
    const { tables, notes, details } = await evaluateTiny(run, { ...options, out });
    const { images } = details as Details;
    expect(images).toHaveLength(4);
    expect(tables[0]!.caption).toContain('all of its images, 5 images, 4 of them labelled and read');
    expect([cell(tables[1]!, 'a', 'positive'), cell(tables[1]!, 'b', 'positive')]).toEqual([2, 2]);
    expect(notes.join()).toMatch(/1 images cannot be decoded and are left out: torn-4\.png/);
    const { skipped } = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8'));
    expect(Object.values(skipped)).toEqual([expect.stringMatching(/torn-4\.png: cannot decode/)]);

    await expect(evaluateTiny(run, await table('one', ['a', 'a', 'a']))).rejects.toThrow(
      /--task classification: one\.csv .* has one class alone, a\. Fix: one of phantom/,
    );
    const prompts = join(folder.path, 'two.yaml');
    await put(prompts, 'classes:\n  a: { prompts: [a] }\n  rest: { not: a, prompts: [rest] }\n');
    const same = await evaluateTiny(run, { ...(await table('same', ['a', 'a', 'a'])), options: { prompts } });
    expect(same.notes.join()).toContain('All of these images are of the same class');
    expect(cell(same.tables[0]!, 'always a', 'accuracy')).toBe(1);
  });

  it('refuses prompts that cannot be read, or have no word', async () => {
    const missing = evaluateTiny(run, { task: 'classification', options: { prompts: '/no/such/file' } });
    await expect(missing).rejects.toThrow(/--prompts \/no\/such\/file: cannot be read/);
    const prompts = join(folder.path, 'silent.yaml');
    await put(prompts, 'classes:\n  Edema: { prompts: [" …"] }\n  dry: { not: Edema, prompts: [no edema] }\n');
    const silent = evaluateTiny(run, { task: 'classification', options: { prompts } });
    await expect(silent).rejects.toThrow(/silent\.yaml: classes\.Edema\.prompts\.0: expected texts with a word each/);
  });
});
