import { randomStream, type Sample } from '@medalign/datasets';
import {
  applyThreshold,
  auroc,
  boxMask,
  dice,
  imageAccuracy,
  intersectionOverUnion,
  pixelAccuracy,
  ThresholdSweep,
} from '@medalign/eval-metrics';
import * as tf from '@tensorflow/tfjs-core';
import { type EncodedBatch, encodedBatches, rowsOf } from './features';
import { mapWords } from './grounding';
import { type MapKind, phraseMaps } from './maps';
import { pictures } from './pictures';
import type { ResultTable, TaskResult } from './result';
import { SegmentationHead, type SegmentationSample, type SegmentationSize } from './segmentation-head';
import { cannotServe, hasWord, setting, type Task } from './task';

/** What gives maps: a kind of heat map, or the trained head. */
interface System {
  name: string;
  /** Heat maps are compared with a threshold after scaling to [−1, 1], probabilities as they are. */
  scaling: 'minMax' | 'none';
  candidates?: number[];
  /** The maps of a batch on the model's grid. */
  maps: (batch: EncodedBatch) => Promise<{ values: Float32Array[]; size: { width: number; height: number } }>;
}

/** The numbers of one system, for the tables and for result.json. */
interface Detected {
  name: string;
  threshold: number;
  validationDice: number;
  imageThreshold: number;
  /** Over the images that have the finding. */
  positive: { iou: number; dice: number; pixelAccuracy: number; empty: number; n: number };
  /** Over all images; nothing is predicted where the image as a whole is called normal. */
  all: { iou: number; dice: number; pixelAccuracy: number; n: number };
  imageAccuracy: number;
  imageAuroc: number | null;
  oracle: { threshold: number; dice: number };
}

/** Where a finding is, from heat maps and from a small head on the frozen encoder, in the form of the paper's Table IV. */
export async function detection(task: Task): Promise<TaskResult> {
  const { data, kinds, options } = task;
  const validation = data.split && data.part !== 'all' ? data.split.validation : [];
  const category = options.category ?? commonest(data.samples, validation);
  const ofCategory = (samples: readonly Sample[]) =>
    samples.filter(({ findings = [] }) => findings.some((finding) => finding.category === category));
  const lacks =
    category === undefined || ofCategory(data.samples).length === 0
      ? `has no boxes${options.category ? ` of '${options.category}'` : ''}`
      : ofCategory(validation).length === 0
        ? `has no ${data.part === 'all' ? 'part' : 'image'} with boxes of ${category} to choose a threshold on (a validation part)`
        : undefined;
  if (category === undefined || lacks) {
    throw cannotServe(
      'detection',
      data,
      lacks!,
      'rsna-pneumonia, phantom, ms-cxr, pairs with a `boxes` column; or --split test',
    );
  }
  const phrase = options.phrase ?? phraseOf(ofCategory(data.samples), category);

  const head = await trainHead(task, category);
  const systems: System[] = [...kinds.map((kind) => heatMap(task, kind, phrase)), ...(head ? [headSystem(head)] : [])];
  let measured: Awaited<ReturnType<typeof detect>>;
  let weights: TaskResult['weights'];
  try {
    measured = await detect(task, systems, category, validation);
    weights = await head?.head.state();
  } finally {
    head?.head.dispose();
  }
  const { detected, baseline } = measured;
  const found = ofCategory(data.samples).length;
  const on = `${setting(task)}, ${found} with boxes of ${category}; phrase '${phrase}'`;
  const trained = head
    ? `head: 1×1, 3×3, 1×1 convolutions on the frozen pixel features, bilinear, trained on ${head.ids.length} images, half of them with boxes (BCE + Dice, best of ${head.epochs} epochs by validation loss)`
    : 'no training image has boxes: no head';
  return {
    tables: [mainTable(detected, baseline, on, validation.length, trained, kinds), thresholdTable(detected, on)],
    notes:
      data.kind === 'ms-cxr'
        ? [
            `Images without a box of ${category} count as free of it; MS-CXR boxes say what was looked at, not what is absent.`,
          ]
        : [],
    details: {
      category,
      phrase,
      systems: detected,
      ...(head && {
        head: { images: head.ids, epochs: head.epochs, bestEpoch: head.bestEpoch, validationLoss: head.validationLoss },
      }),
    },
    ...(weights && { weights }),
    pictures: await pictures(task, ofCategory(data.samples), (sample) => [
      { title: phrase, phrase, boxes: boxesOf(sample, category).map((box) => ({ ...box, label: category })) },
    ]),
  };
}

/** The most frequent category with boxes, of those that validation images have too; the first by name on a tie. */
function commonest(samples: readonly Sample[], validation: readonly Sample[]): string | undefined {
  const known = new Set(validation.flatMap(({ findings = [] }) => findings.map(({ category }) => category)));
  const counts = new Map<string, number>();
  for (const { findings = [] } of samples) {
    for (const name of new Set(findings.map(({ category }) => category))) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const ordered = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([name]) => name);
  return ordered.find((name) => known.has(name)) ?? ordered[0];
}

/** The phrase that all findings of the category have, or the category's name. */
function phraseOf(samples: readonly Sample[], category: string): string {
  const phrases = new Set(
    samples.flatMap(({ findings = [] }) => findings.flatMap((f) => (f.category === category ? [f.phrase] : []))),
  );
  const [only = ''] = phrases;
  return phrases.size === 1 && hasWord(only) ? only : category.toLowerCase();
}

const boxesOf = ({ findings = [] }: Sample, category: string) =>
  findings.flatMap((finding) => (finding.category === category ? finding.boxes : []));

// ── Systems ───────────────────────────────────────────────────────────────────────────────────────────────────────

function heatMap({ model, tokenize, alignment }: Task, kind: MapKind, phrase: string): System {
  return {
    name: `heat map, ${kind}`,
    scaling: 'minMax',
    maps: async ({ samples, images }) => {
      const tokens = tokenize(samples.map(() => phrase));
      const imageOf = samples.map((_, i) => i);
      const maps = tf.tidy(() => phraseMaps(kind, model, images, model.encodeTexts(tokens), imageOf, alignment));
      tokens.dispose();
      const [n, height, width] = maps.shape;
      const values = await rowsOf(() => tf.reshape(maps, [n, height * width]));
      maps.dispose();
      return { values, size: { width, height } };
    },
  };
}

interface TrainedHead {
  head: SegmentationHead;
  size: SegmentationSize;
  ids: string[];
  epochs: number;
  bestEpoch: number;
  validationLoss: number;
}

function headSystem({ head, size }: TrainedHead): System {
  return {
    name: 'segmentation head',
    scaling: 'none',
    candidates: Array.from({ length: 99 }, (_, i) => (i + 1) / 100),
    maps: async ({ images }) => {
      const { side, d } = gridOf(images.pixels);
      const values = await head.probabilities(await rowsOf(() => tf.reshape(images.pixels, [-1, side * side * d])));
      return { values, size: { width: size.crop, height: size.crop } };
    },
  };
}

const gridOf = (pixels: tf.Tensor3D) => ({ side: Math.round(Math.sqrt(pixels.shape[1])), d: pixels.shape[2] });

/** Trains the head on images of the training part, as many with the finding as without. */
async function trainHead(task: Task, category: string): Promise<TrainedHead | undefined> {
  const { data, seed, trainImages, signal, config } = task;
  const drawn = (samples: readonly Sample[], limit: number, name: string) => {
    const shuffled = randomStream(seed, 'detection', name).shuffle(samples);
    const [yes, no] = [true, false].map((has) => shuffled.filter((s) => boxesOf(s, category).length > 0 === has));
    const positives = Math.min(Math.ceil(limit / 2), yes!.length);
    const chosen = new Set([...yes!.slice(0, positives), ...no!.slice(0, positives)]);
    return { chosen: samples.filter((sample) => chosen.has(sample)), positives };
  };
  const train = drawn(data.split!.train, trainImages, 'train');
  if (train.positives === 0) return undefined;
  const validation = drawn(data.split!.validation, Math.max(16, Math.ceil(trainImages / 4)), 'validation');
  const [given, held] = [
    await headSamples(task, train.chosen, category, 'features for the head'),
    await headSamples(task, validation.chosen, category, 'features to stop it by'),
  ];
  const size = { ...given.size!, crop: config.image.crop };
  const head = new SegmentationHead({ ...size, seed });
  try {
    const trained = await head.train(given.samples, held.samples, { seed, signal });
    return { head, size, ids: given.ids, ...trained };
  } catch (error) {
    head.dispose();
    throw error;
  }
}

async function headSamples(task: Task, chosen: readonly Sample[], category: string, label: string) {
  const samples: SegmentationSample[] = [];
  const ids: string[] = [];
  let size: { side: number; d: number } | undefined;
  for await (const { samples: own, transforms, images } of encodedBatches(task, chosen, label)) {
    const { side, d } = gridOf(images.pixels);
    size = { side, d };
    const features = await rowsOf(() => tf.reshape(images.pixels, [-1, side * side * d]));
    own.forEach((sample, i) => {
      const placement = transforms[i]!;
      samples.push({
        features: features[i]!,
        mask: placement.maskToModel(boxMask(boxesOf(sample, category), placement)),
        known: placement.maskToModel(new Uint8Array(placement.width * placement.height).fill(1)),
      });
      ids.push(sample.id);
    });
  }
  return { samples, ids, size };
}

// ── Measuring ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** One image as every system sees it, and what is to be found there. */
interface Detection {
  /** Per system the map at the original size, NaN where the model did not look. */
  maps: Float32Array[];
  mask: Uint8Array;
  /** Whether the image has the finding. */
  positive: boolean;
}

/** Every image is encoded once, whatever the number of systems. */
async function* detections(
  task: Task,
  systems: readonly System[],
  samples: readonly Sample[],
  category: string,
  label: string,
): AsyncGenerator<Detection> {
  for await (const batch of encodedBatches(task, samples, label)) {
    const read: Awaited<ReturnType<System['maps']>>[] = [];
    for (const system of systems) read.push(await system.maps(batch));
    for (const [i, sample] of batch.samples.entries()) {
      const placement = batch.transforms[i]!;
      const boxes = boxesOf(sample, category);
      const maps = read.map(({ values, size }) => placement.toOriginal(values[i]!, size));
      yield { maps, mask: boxMask(boxes, placement), positive: boxes.length > 0 };
    }
  }
}

async function detect(
  task: Task,
  systems: readonly System[],
  category: string,
  validation: readonly Sample[],
): Promise<{ detected: Detected[]; baseline: Baseline }> {
  const sweeps = () => systems.map((system) => new ThresholdSweep(system));

  // ── Thresholds, from validation images ──────────────────────────────────────────────────────────────────────────
  const swept = sweeps();
  const seen: Scores[] = systems.map(() => []);
  for await (const { maps, mask, positive } of detections(task, systems, validation, category, 'validation')) {
    maps.forEach((map, s) => {
      if (positive) swept[s]!.add(map, mask);
      seen[s]!.push({ score: largest(map), positive });
    });
  }
  const chosen = swept.map((sweep) => sweep.choose());
  const imageThresholds = seen.map(bestImageThreshold);

  // ── Images to read ──────────────────────────────────────────────────────────────────────────────────────────────
  const oracles = sweeps();
  const overlaps = [...systems, 'nothing predicted'].map(() => ({ positive: new Overlaps(), all: new Overlaps() }));
  const scores: Scores[] = systems.map(() => []);
  for await (const { maps, mask, positive } of detections(task, systems, task.data.samples, category, 'detection')) {
    maps.forEach((map, s) => {
      const { scaling } = systems[s]!;
      const score = largest(map);
      scores[s]!.push({ score, positive });
      const { prediction, target } = applyThreshold(map, mask, { threshold: chosen[s]!.threshold, scaling });
      const nothing = new Uint8Array(prediction.length);
      overlaps[s]!.all.add(score > imageThresholds[s]! ? prediction : nothing, target);
      if (positive) {
        overlaps[s]!.positive.add(prediction, target);
        oracles[s]!.add(map, mask);
      }
      if (s > 0) return; // every system knows the same pixels
      overlaps.at(-1)!.all.add(nothing, target);
      if (positive) overlaps.at(-1)!.positive.add(nothing, target);
    });
  }
  const labels = scores[0]!.map(({ positive }) => positive);
  const positives = labels.filter(Boolean).length;
  const detected = systems.map(({ name }, s): Detected => {
    const values = scores[s]!.map(({ score }) => score);
    const best = oracles[s]!.choose({ oracle: true });
    return {
      name,
      threshold: chosen[s]!.threshold,
      validationDice: chosen[s]!.value,
      imageThreshold: imageThresholds[s]!,
      positive: overlaps[s]!.positive.means(),
      all: overlaps[s]!.all.means(),
      imageAccuracy: imageAccuracy(values, labels, { threshold: imageThresholds[s]! }).value,
      imageAuroc: auroc(values, labels).value,
      oracle: { threshold: best.threshold, dice: best.value },
    };
  });
  const { positive, all } = overlaps.at(-1)!;
  const commoner = Math.max(positives, labels.length - positives) / labels.length;
  return { detected, baseline: { positive: positive.means(), all: all.means(), imageAccuracy: commoner } };
}

type Scores = { score: number; positive: boolean }[];

/** What predicting nothing, and giving every image the more common answer, scores. */
type Baseline = Pick<Detected, 'positive' | 'all' | 'imageAccuracy'>;

/** How abnormal an image is: the largest value of its map. */
function largest(map: Float32Array): number {
  let score = Number.NEGATIVE_INFINITY;
  for (const value of map) if (value > score) score = value;
  return score;
}

/** Halfway between two scores, where most images are called right; the lowest on a tie. */
function bestImageThreshold(seen: Scores): number {
  const sorted = [...new Set(seen.map(({ score }) => score))].sort((a, b) => a - b);
  const candidates = [sorted[0]! - 1, ...sorted.slice(1).map((high, i) => (sorted[i]! + high) / 2), sorted.at(-1)!];
  const right = (threshold: number) => seen.filter(({ score, positive }) => score > threshold === positive).length;
  return candidates.reduce((best, candidate) => (right(candidate) > right(best) ? candidate : best));
}

/** Means over images. */
class Overlaps {
  readonly #sums = { iou: 0, dice: 0, pixelAccuracy: 0, empty: 0 };
  #n = 0;

  add(prediction: Uint8Array, target: Uint8Array): void {
    const iou = intersectionOverUnion(prediction, target);
    this.#sums.iou += iou.value;
    this.#sums.dice += dice(prediction, target).value;
    this.#sums.pixelAccuracy += pixelAccuracy(prediction, target).value;
    this.#sums.empty += Number(iou.emptyPrediction);
    this.#n += 1;
  }

  means() {
    const { iou, dice, pixelAccuracy, empty } = this.#sums;
    return { iou: iou / this.#n, dice: dice / this.#n, pixelAccuracy: pixelAccuracy / this.#n, empty, n: this.#n };
  }
}

// ── Tables ────────────────────────────────────────────────────────────────────────────────────────────────────────

function mainTable(
  detected: readonly Detected[],
  empty: Baseline,
  on: string,
  validation: number,
  trained: string,
  kinds: readonly MapKind[],
): ResultTable {
  return {
    title: 'Detection in % (form of Table IV)',
    caption:
      `On ${on}. IoU, Dice, pixel accuracy: means over the images with boxes, at the original size, target = union of the boxes, pixels outside ` +
      `the crop left out. '…, all': over all images, nothing predicted where the image is called normal, both empty = 1. Image accuracy: the largest value ` +
      `of the map above a threshold (the paper's ACC does not say which of the two it is). All thresholds from ${validation} validation images: ` +
      `best mean Dice, best image accuracy. Heat maps are scaled to [−1, 1] per image; ${kinds.map((kind) => mapWords[kind]).join('; ')}; ${trained}.`,
    columns: ['', 'IoU', 'Dice', 'pixel acc.', 'image acc.', 'image AUROC', 'IoU, all', 'Dice, all', 'pixel acc., all'],
    rows: [
      ...detected.map(({ name, positive, all, imageAccuracy, imageAuroc }) => [
        name,
        positive.iou,
        positive.dice,
        positive.pixelAccuracy,
        imageAccuracy,
        imageAuroc,
        all.iou,
        all.dice,
        all.pixelAccuracy,
      ]),
      [
        'nothing predicted; commonest answer',
        empty.positive.iou,
        empty.positive.dice,
        empty.positive.pixelAccuracy,
        empty.imageAccuracy,
        0.5,
        empty.all.iou,
        empty.all.dice,
        empty.all.pixelAccuracy,
      ],
    ],
    percent: true,
  };
}

function thresholdTable(detected: readonly Detected[], on: string): ResultTable {
  return {
    title: 'Thresholds',
    caption:
      `On ${on}. Of pixels: strictly above, on maps scaled to [−1, 1], or on the head's probabilities. ` +
      'Oracle: chosen on the test images, an upper bound and never a result. Empty: images with boxes where nothing is predicted.',
    columns: ['', 'pixels', 'image', 'Dice, validation', 'Dice, test', 'oracle threshold', 'oracle Dice', 'empty', 'n'],
    counts: ['empty', 'n'],
    rows: detected.map(({ name, threshold, imageThreshold, validationDice, positive, oracle }) => [
      name,
      threshold,
      imageThreshold,
      validationDice,
      positive.dice,
      oracle.threshold,
      oracle.dice,
      positive.empty,
      positive.n,
    ]),
  };
}
