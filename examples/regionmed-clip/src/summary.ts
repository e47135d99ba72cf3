import { auroc, bootstrap, pairedBootstrap } from '@medalign/eval-metrics';
import {
  type HardNegativeReading,
  hardNegativeReadings,
  type ImageRecord,
  type Measurements,
  type Places,
  type RoiRecord,
  type ZeroShot,
} from './evaluate';

/** A number with its 95 % bootstrap interval over images. */
export interface Estimate {
  value: number | null;
  low: number | null;
  high: number | null;
  n: number;
}

/** Recall in both directions: their mean, each, and the mean that a random order has. */
export interface Recall extends Estimate {
  imageToText: number | null;
  textToImage: number | null;
  chance: number | null;
}

/** The numbers of one reading of a model. */
export interface Summary {
  recall: Record<1 | 5 | 10, Recall>;
  /** Of images with their ROIs. */
  recallWithRois: Record<1 | 5 | 10, Recall>;
  gallery: number;
  hardNegative: Record<HardNegativeReading, Estimate & { chance: number | null }>;
  pointing: Estimate & { chance: number | null };
  /** Macro over modalities of the macro over their classes. */
  zeroShotAuc: Estimate;
  modalities: Record<string, Estimate & { classes: Record<string, number | null> }>;
}

export interface BootstrapOptions {
  resamples: number;
  seed: number;
}

/** Means with intervals: an image is drawn with everything that was measured on it. */
export function summarize(measured: Measurements, options: BootstrapOptions): Summary {
  const recall = (k: 1 | 5 | 10, reading: RetrievalReading): Recall => {
    const { images, gallery, recallChance } = measured;
    const fits = k <= gallery;
    return {
      ...(fits ? estimate(images, (drawn) => recallOf(drawn, k, reading), options) : none),
      imageToText: fits ? mean(images.map((one) => Number(reading(one).imageToText < k))) : null,
      textToImage: fits ? mean(images.map((one) => Number(reading(one).textToImage < k))) : null,
      chance: recallChance[k],
    };
  };
  const recalls = (reading: RetrievalReading) => ({
    1: recall(1, reading),
    5: recall(5, reading),
    10: recall(10, reading),
  });
  const [tested, looking] = [told(measured), pointed(measured)];
  const hardNegative = (reading: HardNegativeReading) => ({
    ...estimate(tested, (rois) => perImage(rois, ({ hardNegative }) => hardNegative[reading]), options),
    chance: perImage(tested, ({ negatives }) => 1 / (negatives + 1)),
  });
  const perModality = measured.zeroShot.map((one) => [one.modality, zeroShotOf(one, options)] as const);
  return {
    recall: recalls(byImage),
    recallWithRois: recalls(withRois),
    gallery: measured.gallery,
    hardNegative: Object.fromEntries(
      hardNegativeReadings.map((reading) => [reading, hardNegative(reading)]),
    ) as Summary['hardNegative'],
    pointing: {
      ...estimate(looking, (rois) => perImage(rois, ({ pointing }) => pointing), options),
      chance: perImage(looking, ({ area }) => area),
    },
    zeroShotAuc: estimate(rowsOf(measured.zeroShot), macroOverModalities, options),
    modalities: Object.fromEntries(perModality),
  };
}

/** Share of queries whose true match is among the K best, both directions together. */
function recallOf(images: readonly ImageRecord[], k: number, reading: RetrievalReading): number | null {
  let found = 0; // a thousand times for every interval: no arrays
  for (const image of images) {
    const { imageToText, textToImage } = reading(image);
    found += Number(imageToText < k) + Number(textToImage < k);
  }
  return images.length ? found / (2 * images.length) : null;
}

/** What an image is searched by. */
type RetrievalReading = (image: ImageRecord) => Places;
const byImage: RetrievalReading = (image) => image;
const withRois: RetrievalReading = (image) => image.withRois;

/** The mean over images of the mean over their ROIs. */
export function perImage(rois: readonly RoiRecord[], of: (roi: RoiRecord) => number | null): number | null {
  const groups = new Map<string, number[]>();
  for (const roi of rois) {
    const value = of(roi);
    if (value === null) continue;
    const group = groups.get(roi.imageId);
    if (group) group.push(value);
    else groups.set(roi.imageId, [value]);
  }
  return mean([...groups.values()].map((values) => mean(values)!));
}

/** One image's row of a modality's scores. */
interface Row {
  imageId: string;
  of: ZeroShot;
  row: number;
}

const rowsOf = (all: readonly ZeroShot[]): Row[] =>
  all.flatMap((of) => of.imageIds.map((imageId, row) => ({ imageId, of, row })));

/** AUROC of each class that has both labels among these images. */
function areas(rows: readonly Row[]): (number | null)[] {
  const { classes } = rows[0]!.of;
  return classes.map(
    (_, c) =>
      auroc(
        rows.map(({ of, row }) => of.scores[row]![c]!),
        rows.map(({ of, row }) => of.labels[row]![c]!),
      ).value,
  );
}

const macro = (rows: readonly Row[]) => mean(areas(rows).flatMap((area) => area ?? []));

function macroOverModalities(rows: readonly Row[]): number | null {
  const groups = new Map<ZeroShot, Row[]>();
  for (const row of rows) {
    const group = groups.get(row.of);
    if (group) group.push(row);
    else groups.set(row.of, [row]);
  }
  return mean([...groups.values()].flatMap((group) => macro(group) ?? []));
}

function zeroShotOf(one: ZeroShot, options: BootstrapOptions): Summary['modalities'][string] {
  const rows = rowsOf([one]);
  const values = areas(rows);
  return {
    ...estimate(rows, macro, options),
    classes: Object.fromEntries(one.classes.map((name, c) => [name, values[c]!])),
  };
}

/** How much better one model is than another on the same images. */
export interface Difference extends Estimate {
  pValue: number | null;
}

/** first − second, both on the same resample of images: what is hard for one is hard for the other. */
export function differences(first: Measurements, second: Measurements, options: BootstrapOptions) {
  const both = paired(options);
  const best = (rois: readonly RoiRecord[]) =>
    Math.max(
      ...hardNegativeReadings.map((reading) => perImage(rois, ({ hardNegative }) => hardNegative[reading]) ?? 0),
    );
  return {
    'R@1': both(first.images, second.images, (images) => recallOf(images, 1, byImage)),
    'R@1, best reading of each': both(first.images, second.images, (images) =>
      Math.max(...[byImage, withRois].map((reading) => recallOf(images, 1, reading) ?? 0)),
    ),
    'hard negatives': both(told(first), told(second), (rois) =>
      perImage(rois, ({ hardNegative }) => hardNegative.fused),
    ),
    'hard negatives, best reading of each': both(told(first), told(second), best),
    'zero-shot AUC': both(rowsOf(first.zeroShot), rowsOf(second.zeroShot), macroOverModalities),
  };
}

/** The same differences for everything that the closing table shows: what training has changed. */
export function gains(after: Measurements, before: Measurements, options: BootstrapOptions) {
  const both = paired(options);
  const recall = (k: 1 | 5 | 10, reading: RetrievalReading) =>
    k <= after.gallery
      ? both(after.images, before.images, (images) => recallOf(images, k, reading))
      : { ...none, pValue: null };
  const recalls = (reading: RetrievalReading) => ({
    1: recall(1, reading),
    5: recall(5, reading),
    10: recall(10, reading),
  });
  const hardNegative = (reading: HardNegativeReading) =>
    both(told(after), told(before), (rois) => perImage(rois, ({ hardNegative }) => hardNegative[reading]));
  return {
    recall: recalls(byImage),
    recallWithRois: recalls(withRois),
    hardNegative: Object.fromEntries(hardNegativeReadings.map((name) => [name, hardNegative(name)])) as Record<HardNegativeReading, Difference>, // biome-ignore format: one line
    pointing: both(pointed(after), pointed(before), (rois) => perImage(rois, ({ pointing }) => pointing)),
    zeroShotAuc: both(rowsOf(after.zeroShot), rowsOf(before.zeroShot), macroOverModalities),
  };
}

const told = ({ rois }: Measurements) => rois.filter(({ negatives }) => negatives > 0);
const pointed = ({ rois }: Measurements) => rois.filter(({ pointing }) => pointing !== null);

const paired =
  (options: BootstrapOptions) =>
  <T extends { imageId: string }>(
    a: readonly T[],
    b: readonly T[],
    statistic: (items: readonly T[]) => number | null,
  ): Difference => {
    if (a.length === 0) return { ...none, pValue: null };
    const { value, low, high, n, pValue } = pairedBootstrap(a, b, statistic, { ...options, by: ({ imageId }) => imageId }); // biome-ignore format: one call
    return { value, low, high, n, pValue };
  };

/** The numbers of the images of each modality; recall is still among all images. */
export function byModality(measured: Measurements, options: BootstrapOptions): Record<string, Summary> {
  const names = [...new Set(measured.images.map(({ modality }) => modality))].sort();
  const of = <T extends { modality: string }>(all: readonly T[], name: string) =>
    all.filter(({ modality }) => modality === name);
  return Object.fromEntries(
    names.map((name) => {
      const { images, rois, zeroShot } = measured;
      const own = { images: of(images, name), rois: of(rois, name), zeroShot: of(zeroShot, name) };
      return [name, summarize({ ...measured, ...own }, options)];
    }),
  );
}

const none: Estimate = { value: null, low: null, high: null, n: 0 };

function estimate<T extends { imageId: string }>(
  items: readonly T[],
  statistic: (items: readonly T[]) => number | null,
  options: BootstrapOptions,
): Estimate {
  if (items.length === 0) return none;
  const { value, low, high, n } = bootstrap(items, statistic, { ...options, by: ({ imageId }) => imageId });
  return { value, low, high, n };
}

const mean = (values: readonly number[]): number | null =>
  values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;

/** The numbers of one reading, as `--json` prints them. */
export function toJson({ recall, recallWithRois, gallery, hardNegative, pointing, zeroShotAuc, modalities }: Summary) {
  return {
    recallAt1: recall[1].value,
    recallAt5: recall[5].value,
    recallAt10: recall[10].value,
    gallery,
    hardNegativeAccuracy: hardNegative.fused.value,
    pointing: pointing.value,
    zeroShotAuc: Object.fromEntries(Object.entries(modalities).map(([name, { value }]) => [name, value])),
    zeroShotAucMean: zeroShotAuc.value,
    recallWithRois: {
      recallAt1: recallWithRois[1].value,
      recallAt5: recallWithRois[5].value,
      recallAt10: recallWithRois[10].value,
    },
    hardNegativeAccuracyOf: { roi: hardNegative.roi.value, image: hardNegative.image.value },
    intervals: {
      recallAt1: interval(recall[1]),
      recallAt5: interval(recall[5]),
      recallAt10: interval(recall[10]),
      hardNegativeAccuracy: interval(hardNegative.fused),
      pointing: interval(pointing),
      zeroShotAucMean: interval(zeroShotAuc),
    },
    chance: {
      recallAt1: recall[1].chance,
      recallAt5: recall[5].chance,
      recallAt10: recall[10].chance,
      hardNegativeAccuracy: hardNegative.fused.chance,
      pointing: pointing.chance,
      zeroShotAucMean: 0.5,
    },
  };
}

const interval = ({ low, high }: Estimate) => [low, high];
