import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { useBackend } from '@medalign/backend';
import { type Finding, patientIds, type Sample } from '@medalign/datasets';
import { csv, miniatureMimicCxrJpg, miniatureMsCxr, picture, put } from '@medalign/testing/miniatures';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PlanData } from './data';
import { readDataset } from './datasets';
import { type MapKind, mapKinds } from './maps';
import type { ResultTable } from './result';
import { cell, evaluateTiny, temporaryFolder, trainTiny } from './testing/trained';
import { deviation, gridMap, insideBoxes, interval, mean, onOriginal, openModel } from './testing/twins';

/** One phrase by one map, measured in plain loops. */
interface Twin {
  imageId: string;
  category: string;
  map: number[];
  inside: boolean[];
  signed: number | null;
  pointing: number;
  mIoU: number;
}

function measureTwin(map: number[], inside: boolean[]) {
  const [a, b]: [number[], number[]] = [[], []];
  map.forEach((value, i) => {
    if (!Number.isNaN(value)) (inside[i] ? a : b).push(value);
  });
  const known = [...a, ...b];
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const noise = Math.sqrt(deviation(a) ** 2 + deviation(b) ** 2);
  const ious = [0.1, 0.2, 0.3, 0.4, 0.5].map((threshold) => {
    const above = (value: number) => high > low && (2 * (value - low)) / (high - low) - 1 > threshold;
    const both = a.filter(above).length;
    return both / (a.length + b.filter(above).length);
  });
  const first = map.indexOf(high);
  return { signed: noise > 0 ? (mean(a) - mean(b)) / noise : 0, pointing: Number(inside[first]), mIoU: mean(ious) };
}

async function twins(run: string, samples: Sample[], kind: MapKind): Promise<Twin[]> {
  const open = await openModel(run);
  const result: Twin[] = [];
  for (const sample of samples) {
    const image = await open.image(sample);
    for (const { phrase, category, boxes } of sample.findings ?? []) {
      const grid = gridMap(kind, open, image, await open.text(phrase));
      const map = onOriginal(grid, image.side, image.placement);
      const inside = insideBoxes(boxes, image.placement);
      result.push({ imageId: sample.id, category, map, inside, ...measureTwin(map, inside) });
    }
  }
  open.model.dispose();
  return result;
}

const macro = (items: readonly Twin[], of: (twin: Twin) => number | null) => {
  const categories = [...new Set(items.map(({ category }) => category))];
  const means = categories.flatMap((name) => {
    const values = items.filter(({ category }) => category === name).flatMap((item) => of(item) ?? []);
    return values.length ? [mean(values)] : [];
  });
  return means.length ? mean(means) : null;
};

function pairsOf(items: readonly Twin[]) {
  return items.flatMap((own) =>
    items.flatMap((other) => {
      if (own === other || own.imageId !== other.imageId) return [];
      if (own.inside.every((value, i) => Number.isNaN(own.map[i]!) || value === other.inside[i])) return [];
      const over = (inside: boolean[]) => mean(own.map.filter((value, i) => inside[i] && !Number.isNaN(value)));
      const difference = over(own.inside) - over(other.inside);
      const outcome = Math.abs(difference) < 1e-9 ? 0.5 : Number(difference > 0);
      return [{ imageId: own.imageId, same: own.category === other.category, outcome }];
    }),
  );
}

const close = (actual: unknown, expected: number | null) =>
  expected === null ? expect(actual).toBeNull() : expect(actual).toBeCloseTo(expected, 3);

function compare([categories, controls]: ResultTable[], kind: MapKind, items: Twin[]) {
  const draw = { resamples: 40, seed: 0 };
  for (const name of new Set(items.map(({ category }) => category))) {
    const own = items.filter(({ category }) => category === name);
    const signed = own.map((twin) => twin.signed!);
    const absolute = cell(categories!, `CNR, ${kind}`, name) as { mean: number; std: number };
    close(absolute.mean, mean(signed.map(Math.abs)));
    close(absolute.std, deviation(signed.map(Math.abs)));
    const withSign = cell(categories!, `signed CNR, ${kind}`, name) as { mean: number; std: number };
    close(withSign.mean, mean(signed));
    close(withSign.std, deviation(signed));
  }
  close(
    cell(categories!, `CNR, ${kind}`, 'macro mean'),
    macro(items, ({ signed }) => Math.abs(signed!)),
  );
  close(
    cell(categories!, `signed CNR, ${kind}`, 'macro mean'),
    macro(items, ({ signed }) => signed),
  );
  const estimates: [string, (twin: Twin) => number | null][] = [
    ['CNR, absolute (macro)', ({ signed }) => Math.abs(signed!)],
    ['CNR, signed (macro)', ({ signed }) => signed],
    ['pointing game (macro)', ({ pointing }) => pointing],
    ['mIoU (macro)', ({ mIoU }) => mIoU],
  ];
  for (const [row, of] of estimates) {
    const { value, low, high } = cell(controls!, row, kind) as { value: number; low: number; high: number };
    const expected = interval(
      items,
      (drawn) => macro(drawn, of),
      ({ imageId }) => imageId,
      draw,
    );
    close(value, macro(items, of));
    close(low, expected[0]);
    close(high, expected[1]);
    expect(cell(controls!, row, 'n')).toBe(String(items.length));
  }
  const pairs = pairsOf(items);
  for (const [row, own] of [
    ['specificity', pairs],
    ['  same category', pairs.filter(({ same }) => same)],
  ] as const) {
    const { value, low, high } = cell(controls!, row, kind) as { value: number; low: number; high: number };
    close(value, own.length ? mean(own.map(({ outcome }) => outcome)) : null);
    expect(cell(controls!, row, 'n')).toBe(String(own.length));
    if (own.length === 0) continue;
    const [a, b] = interval(
      own,
      (drawn) => mean(drawn.map((p) => p.outcome)),
      ({ imageId }) => imageId,
      draw,
    );
    close(low, a);
    close(high, b);
  }
}

describe('--task grounding', () => {
  const folder = temporaryFolder();
  const run = join(folder.path, 'run');
  let data: PlanData;
  beforeAll(async () => {
    await useBackend('wasm');
    data = await trainTiny(run);
  });
  afterAll(folder.remove);

  it('prints what plain loops find on its own test patients, by every map, and leaves no tensor behind', async () => {
    const tensors = tf.memory().numTensors;
    const out = join(folder.path, 'out');
    const { tables, pictures } = await evaluateTiny(run, { task: 'grounding', out });
    expect(tf.memory().numTensors).toBe(tensors);
    for (const kind of mapKinds) compare(tables, kind, await twins(run, data.split.test, kind));
    expect(tables[0]!.caption).toContain('its test part');
    const found = data.split.test.filter(({ findings }) => findings!.length > 0);
    const phrases = found.reduce((sum, { findings }) => sum + findings!.length, 0);
    for (const { caption } of tables) {
      expect(caption).toContain(`${data.split.test.length} images; ${phrases} phrases on ${found.length} of them.`);
    }
    expect(pictures).toHaveLength(1);
    const drawn = readdirSync(join(out, 'overlays'));
    expect(drawn.some((name) => name.endsWith('-gradcam.png'))).toBe(true);
    expect(drawn).toHaveLength(pictures![0]!.overlays.length);
    expect(JSON.parse(readFileSync(join(out, 'result.json'), 'utf8')).tables).toEqual(
      JSON.parse(JSON.stringify(tables)),
    );
  });

  it('reads a wrong phrase of another image over the same box', async () => {
    const { tables, details } = await evaluateTiny(run, { task: 'grounding', map: 'phrase' });
    const records = details.records as { imageId: string; phrase: string; wrongPhraseSignedCnr: number }[];
    const phrases = data.split.test.flatMap(({ id, findings = [] }) => findings.map((finding) => ({ id, finding })));
    expect(records).toHaveLength(phrases.length);
    const open = await openModel(run);
    const scores = async (sample: Sample, boxes: Finding['boxes'], phrase: string) => {
      const image = await open.image(sample);
      const grid = gridMap('phrase', open, image, await open.text(phrase));
      return measureTwin(onOriginal(grid, image.side, image.placement), insideBoxes(boxes, image.placement)).signed;
    };
    // Which phrase was drawn is not in the table: it has to be one of those that may be.
    for (const [i, { id, finding }] of phrases.slice(0, 4).entries()) {
      const sample = data.split.test.find((other) => other.id === id)!;
      const possible = phrases.filter((other) => other.id !== id && other.finding.phrase !== finding.phrase);
      const values: number[] = [];
      for (const other of possible) values.push(await scores(sample, finding.boxes, other.finding.phrase));
      expect(Math.min(...values.map((v) => Math.abs(v - records[i]!.wrongPhraseSignedCnr)))).toBeLessThan(1e-3);
    }
    open.model.dispose();
    const category = new Map(phrases.map(({ id, finding }) => [`${id} ${finding.phrase}`, finding.category]));
    const of = (absolute: boolean) => (drawn: typeof records) => {
      const byCategory = new Map<string, number[]>();
      for (const { imageId, phrase, wrongPhraseSignedCnr: value } of drawn) {
        const name = category.get(`${imageId} ${phrase}`)!;
        byCategory.set(name, [...(byCategory.get(name) ?? []), absolute ? Math.abs(value) : value]);
      }
      return mean([...byCategory.values()].map(mean));
    };
    const rows = tables[1]!.rows.filter(([name]) => name === '  of a wrong phrase');
    for (const [row, statistic] of [
      [rows[0]!, of(true)],
      [rows[1]!, of(false)],
    ] as const) {
      const { value, low, high } = row[2] as { value: number; low: number; high: number };
      const [a, b] = interval(records, statistic, ({ imageId }) => imageId, { resamples: 40, seed: 0 });
      close(value, statistic(records));
      close(low, a);
      close(high, b);
      expect(row[3]).toBe(String(records.length));
    }
  });

  it('leaves out phrases without a word, and says how many', async () => {
    const [blank, spoken] = ['" "', '"nodule"'].map(
      (phrase) => `"[{""x"":2,""y"":3,""width"":9,""height"":8,""phrase"":"${phrase}"}]"`,
    );
    const pairs = async (name: string, boxes: (string | undefined)[]) => {
      const path = join(folder.path, name);
      const rows = boxes.map((value, i) => `${name}-${i}.png,text ${i},${value}`);
      await put(path, csv('image,text,boxes', rows));
      for (const i of boxes.keys()) await put(join(folder.path, `${name}-${i}.png`), await picture('png', 36, 36, i));
      return { task: 'grounding', kind: 'pairs', path, map: 'words' } as const;
    };
    const { tables, notes, details } = await evaluateTiny(run, await pairs('some.csv', [blank, spoken, blank]));
    expect(notes).toContain('2 phrases without a word are left out.');
    expect(tables[0]!.caption).toContain('3 images; 1 phrases on 1 of them.');
    expect(details.phrases).toBe(1);
    await expect(evaluateTiny(run, await pairs('none.csv', [blank]))).rejects.toThrow(
      /--task grounding: none\.csv .* has boxes, but no phrase with a word/,
    );
  });

  it('reads MS-CXR whole, on the images of MIMIC-CXR-JPG', async () => {
    const [mimic, boxes] = [join(folder.path, 'mimic'), join(folder.path, 'ms-cxr')];
    await miniatureMimicCxrJpg(mimic);
    await miniatureMsCxr(boxes);
    const { tables } = await evaluateTiny(run, { task: 'grounding', kind: 'ms-cxr', path: boxes, images: mimic });
    const { samples } = await readDataset('ms-cxr', boxes, { images: mimic });
    expect(patientIds({ samples }).length).toBeGreaterThan(1);
    expect(tables[0]!.caption).toContain('ms-cxr, all of its images, 3 images');
    for (const kind of mapKinds) compare(tables, kind, await twins(run, samples, kind));
    await expect(evaluateTiny(run, { task: 'grounding', kind: 'ms-cxr', path: boxes })).rejects.toThrow(/--images/);
  });
});
