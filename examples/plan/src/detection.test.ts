import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { useBackend } from '@medalign/backend';
import type { Sample } from '@medalign/datasets';
import { miniatureMimicCxrJpg, miniatureMsCxr, miniatureRsnaPneumonia } from '@medalign/testing/miniatures';
import { readSafetensors } from '@medalign/weights';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PlanData } from './data';
import { readDataset } from './datasets';
import { detection } from './detection';
import { mapKinds } from './maps';
import type { ResultTable, TaskResult } from './result';
import { cell, evaluateTiny, temporaryFolder, trainTiny } from './testing/trained';
import {
  aurocTwin,
  gridMap,
  headTwin,
  insideBoxes,
  mean,
  type OpenModel,
  onOriginal,
  openModel,
  type State,
} from './testing/twins';

/** Known pixels of one image: value (scaled for heat maps) and whether they are inside a box. */
interface Seen {
  pixels: [number, boolean][];
  score: number;
  positive: boolean;
}

async function seenTwin(
  open: OpenModel,
  samples: readonly Sample[],
  category: string,
  mapOf: (image: Awaited<ReturnType<OpenModel['image']>>) => Promise<{ grid: number[]; side: number }>,
  scale: boolean,
): Promise<Seen[]> {
  const result: Seen[] = [];
  for (const sample of samples) {
    const image = await open.image(sample);
    const { grid, side } = await mapOf(image);
    const boxes = sample.findings!.filter((f) => f.category === category).flatMap((f) => f.boxes);
    const inside = insideBoxes(boxes, image.placement);
    const known = onOriginal(grid, side, image.placement).flatMap((value, i): [number, boolean][] =>
      Number.isNaN(value) ? [] : [[value, inside[i]!]],
    );
    const values = known.map(([value]) => value);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const scaled = (v: number) => (scale ? (high > low ? (2 * (v - low)) / (high - low) - 1 : -1) : v);
    result.push({ pixels: known.map(([v, i]) => [scaled(v), i]), score: high, positive: boxes.length > 0 });
  }
  return result;
}

function overlap(pixels: Seen['pixels'], threshold: number) {
  let [both, either, predicted, target, right] = [0, 0, 0, 0, 0];
  for (const [value, inside] of pixels) {
    const above = value > threshold;
    both += Number(above && inside);
    either += Number(above || inside);
    predicted += Number(above);
    target += Number(inside);
    right += Number(above === inside);
  }
  return {
    iou: either ? both / either : 1,
    dice: predicted + target ? (2 * both) / (predicted + target) : 1,
    pixelAccuracy: right / pixels.length,
    empty: Number(predicted === 0 && target > 0),
  };
}

/** The lowest candidate with the best mean Dice over the images with boxes. */
function bestThreshold(images: readonly Seen[], candidates: readonly number[]) {
  const positive = images.filter((image) => image.positive);
  let best = { threshold: 0, dice: -1 };
  for (const threshold of candidates) {
    const dice = mean(positive.map(({ pixels }) => overlap(pixels, threshold).dice));
    if (dice > best.dice + 1e-12) best = { threshold, dice };
  }
  return best;
}

function compare(
  [main, thresholds]: ResultTable[],
  row: string,
  candidates: number[],
  validation: Seen[],
  test: Seen[],
) {
  const close = (table: ResultTable, column: string, expected: number, digits = 3) =>
    expect(cell(table, row, column), `${row}, ${column}`).toBeCloseTo(expected, digits);
  const chosen = bestThreshold(validation, candidates);
  close(thresholds!, 'pixels', chosen.threshold);
  close(thresholds!, 'Dice, validation', chosen.dice);
  const oracle = bestThreshold(test, candidates);
  close(thresholds!, 'oracle threshold', oracle.threshold);
  close(thresholds!, 'oracle Dice', oracle.dice);

  // The image threshold is not unique between two scores: it must call as many validation images right as any.
  const image = cell(thresholds!, row, 'image') as number;
  const right = (images: readonly Seen[], t: number) =>
    images.filter(({ score, positive }) => score > t === positive).length;
  const possible = [Number.NEGATIVE_INFINITY, ...validation.map(({ score }) => score)].map((t) => right(validation, t));
  expect(right(validation, image)).toBe(Math.max(...possible));
  close(main!, 'image acc.', right(test, image) / test.length);
  const area = aurocTwin(
    test.map(({ score }) => score),
    test.map(({ positive }) => Number(positive)),
  );
  if (area === null) expect(cell(main!, row, 'image AUROC')).toBeNull();
  else close(main!, 'image AUROC', area);

  const positive = test.filter((one) => one.positive).map(({ pixels }) => overlap(pixels, chosen.threshold));
  close(main!, 'IoU', mean(positive.map(({ iou }) => iou)));
  close(main!, 'Dice', mean(positive.map(({ dice }) => dice)));
  close(main!, 'pixel acc.', mean(positive.map(({ pixelAccuracy }) => pixelAccuracy)));
  close(thresholds!, 'Dice, test', mean(positive.map(({ dice }) => dice)));
  expect(cell(thresholds!, row, 'empty')).toBe(positive.reduce((sum, { empty }) => sum + empty, 0));
  expect(cell(thresholds!, row, 'n')).toBe(positive.length);
  const gated = test.map(({ pixels, score }) =>
    overlap(pixels, score > image ? chosen.threshold : Number.POSITIVE_INFINITY),
  );
  close(main!, 'IoU, all', mean(gated.map(({ iou }) => iou)));
  close(main!, 'Dice, all', mean(gated.map(({ dice }) => dice)));
  close(main!, 'pixel acc., all', mean(gated.map(({ pixelAccuracy }) => pixelAccuracy)));
}

/** Every row of both tables. */
async function compareAll(run: string, { tables, details, weights }: TaskResult, validation: Sample[], test: Sample[]) {
  const { category, phrase } = details as { category: string; phrase: string };
  const open = await openModel(run);
  const text = await open.text(phrase);
  const scaled = Array.from({ length: 101 }, (_, i) => (i - 50) / 50);
  let seen: Seen[] = [];
  for (const kind of mapKinds) {
    const mapOf = async (image: Awaited<ReturnType<OpenModel['image']>>) => ({
      grid: gridMap(kind, open, image, text),
      side: image.side,
    });
    const of = (samples: Sample[]) => seenTwin(open, samples, category, mapOf, true);
    seen = await of(test);
    compare(tables, `heat map, ${kind}`, scaled, await of(validation), seen);
  }
  const { crop } = open.config.image;
  const mapOf = async ({ pixels, side }: Awaited<ReturnType<OpenModel['image']>>) => ({
    grid: headTwin(weights as State, pixels.flat(), { side, d: pixels[0]!.length, crop }),
    side: crop,
  });
  const of = (samples: Sample[]) => seenTwin(open, samples, category, mapOf, false);
  const shares = Array.from({ length: 99 }, (_, i) => (i + 1) / 100);
  compare(tables, 'segmentation head', shares, await of(validation), await of(test));
  open.model.dispose();

  const nothing = (images: Seen[]) => images.map(({ pixels }) => overlap(pixels, Number.POSITIVE_INFINITY));
  const positives = seen.filter(({ positive }) => positive);
  const row = /^nothing predicted/;
  expect([cell(tables[0]!, row, 'IoU'), cell(tables[0]!, row, 'Dice')]).toEqual([0, 0]);
  expect(cell(tables[0]!, row, 'image AUROC')).toBe(0.5);
  for (const { caption } of tables) {
    expect(caption).toContain(
      `${test.length} images, ${positives.length} with boxes of ${category}; phrase '${phrase}'.`,
    );
  }
  expect(tables[0]!.caption).toContain(`from ${validation.length} validation images`);
  const { head } = details as { head: { images: string[]; epochs: number } };
  expect(tables[0]!.caption).toContain(`trained on ${head.images.length} images`);
  expect(tables[0]!.caption).toContain(`best of ${head.epochs} epochs`);
  expect(cell(tables[0]!, row, 'pixel acc.')).toBeCloseTo(mean(nothing(positives).map((o) => o.pixelAccuracy)), 6);
  expect(cell(tables[0]!, row, 'IoU, all')).toBeCloseTo(mean(nothing(seen).map(({ iou }) => iou)), 6);
  expect(cell(tables[0]!, row, 'Dice, all')).toBeCloseTo(mean(nothing(seen).map(({ dice }) => dice)), 6);
  expect(cell(tables[0]!, row, 'pixel acc., all')).toBeCloseTo(mean(nothing(seen).map((o) => o.pixelAccuracy)), 6);
  const commoner = Math.max(positives.length, seen.length - positives.length) / seen.length;
  expect(cell(tables[0]!, row, 'image acc.')).toBeCloseTo(commoner, 9);
}

describe('--task detection', () => {
  const folder = temporaryFolder();
  const run = join(folder.path, 'run');
  let data: PlanData;
  beforeAll(async () => {
    await useBackend('wasm');
    data = await trainTiny(run);
  });
  afterAll(folder.remove);

  it('prints what plain loops find by heat maps and by the head that it wrote', async () => {
    const out = join(folder.path, 'out');
    const result = await evaluateTiny(run, { task: 'detection', out });
    await compareAll(run, result, data.split.validation, data.split.test);
    const { head, category } = result.details as { head: { images: string[] }; category: string };
    const trained = new Set(head.images);
    const given = data.split.train.filter(({ id }) => trained.has(id));
    expect(given).toHaveLength(trained.size);
    expect(given.filter(({ findings }) => findings!.some((f) => f.category === category)).length).toBe(
      given.length / 2,
    );
    const file = await readSafetensors(join(out, 'segmentation-head.safetensors'));
    expect(file.get('middle.weight')!.data).toEqual(result.weights!.get('middle.weight')!.data);
    expect(existsSync(join(out, 'overlays'))).toBe(true);
  });

  it('reads RSNA exams, with the phrase that they share', async () => {
    const path = join(folder.path, 'rsna');
    await miniatureRsnaPneumonia(path);
    const dataset = await readDataset('rsna-pneumonia', path);
    const { samples } = dataset;
    // Four exams are too few to split: the same ones choose thresholds, train and test.
    const { model, config, alignment, tokenize } = await openModel(run);
    const split = { train: samples, validation: samples, test: samples, manifest: data.split.manifest };
    const leaked = { images: 0, patients: 0 };
    const result = await detection({
      model,
      config,
      alignment,
      tokenize,
      data: {
        kind: 'rsna-pneumonia',
        dataset,
        samples,
        part: 'test',
        split,
        own: false,
        leaked,
        notes: [],
        trainingIds: [],
        allowTrained: false,
      },
      kinds: mapKinds,
      seed: 0,
      resamples: 40,
      trainImages: 100,
      options: {},
    });
    model.dispose();
    expect(result.details).toMatchObject({ category: 'Lung Opacity', phrase: 'pneumonia' });
    await compareAll(run, result, samples, samples);
  });

  it('says what it lacks: a validation part with boxes, or boxes at all', async () => {
    const [mimic, boxes] = [join(folder.path, 'mimic'), join(folder.path, 'ms-cxr')];
    await miniatureMimicCxrJpg(mimic);
    await miniatureMsCxr(boxes);
    const msCxr = { kind: 'ms-cxr', path: boxes, images: mimic } as const;
    await expect(evaluateTiny(run, { task: 'detection', part: 'all', ...msCxr })).rejects.toThrow(
      /--task detection: ms-cxr .* has no part with boxes of .* to choose a threshold on.*Fix: one of rsna-pneumonia/,
    );
    await expect(evaluateTiny(run, { task: 'detection', options: { category: 'Hernia' } })).rejects.toThrow(
      /phantom-chest .* has no boxes of 'Hernia'/,
    );
    const noBoxes = evaluateTiny(run, { task: 'grounding', kind: 'mimic-cxr-jpg', path: mimic });
    await expect(noBoxes).rejects.toThrow(/--task grounding: mimic-cxr-jpg .* no phrases with boxes.*phantom, ms-cxr/);
    rmSync(mimic, { recursive: true });
  });
});
