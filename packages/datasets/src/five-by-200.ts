import { createHash } from 'node:crypto';
import { chexpertLabels } from './chexpert-labels';
import { randomStream } from './random';
import { DataError, type Dataset, type Sample } from './types';

/** The five classes of CheXpert-5×200 and MIMIC-5×200. */
export const fiveClasses = ['Atelectasis', 'Cardiomegaly', 'Consolidation', 'Edema', 'Pleural Effusion'] as const;
/** One of the names in {@link fiveClasses}. */
export type FiveClass = (typeof fiveClasses)[number];

// `No Finding` is not tested: it says nothing that the others do not.
const tested = chexpertLabels.filter((name) => name !== 'No Finding');

/** Options of {@link fiveBy200}: images of each class, and the seed that draws them. */
export interface FiveBy200Options {
  perClass?: number;
  seed?: number;
}

/** Exactly which images were drawn, and from what. */
export interface FiveBy200Manifest {
  format: 'medalign-5x200';
  version: 1;
  dataset: string;
  options: { perClass: number; seed: number; reader?: Record<string, unknown> };
  /** Of all ids, sorted, one per line. */
  sha256: string;
  classes: Record<FiveClass, { candidates: number; sha256: string; ids: string[] }>;
}

const sha256Of = (ids: readonly string[]) =>
  createHash('sha256')
    .update([...ids].sort().join('\n'))
    .digest('hex');

/** The one class that is 1 while every other label is 0 or blank; an uncertain label (−1) rules the image out. */
function onlyClass({ labels = {} }: Sample): FiveClass | undefined {
  const positive = tested.filter((name) => (labels[name] ?? 0) !== 0);
  const [only] = positive;
  return positive.length === 1 && labels[only!] === 1 ? fiveClasses.find((name) => name === only) : undefined;
}

/**
 * MIMIC-5×200 or CheXpert-5×200: frontal images that show one of five findings and nothing else, the same number of each.
 *
 * An image is a candidate if one of `fiveClasses` is 1 and the other four and eight further labels (Enlarged
 * Cardiomediastinum, Lung Lesion, Lung Opacity, Pneumonia, Pneumothorax, Pleural Other, Fracture, Support Devices) are 0 or
 * blank. The published recipe has no seed; this one has, and names what it drew. Leave the `patientIds` of the result out
 * of training.
 *
 * @param dataset of `chexpert(…)`, or `mimicCxrJpg(…, { labels: 'chexpert' })`; the order of its samples changes nothing.
 * @param options `perClass` 200, `seed` 0.
 * @returns the samples, class by class, and the manifest to publish with a result.
 * @throws {DataError} if a class has too few candidates, with the number of each.
 * @example
 * const samples = fiveClasses.flatMap((name) => [1, 2, 3].map((i) => ({
 *   id: `${name} ${i}`, patientId: `${i}`, image: { kind: 'file' as const, path: '' }, text: '', labels: { [name]: 1 as const }, meta: { frontal: true },
 * })));
 * const set = { name: 'mine', samples, counts: { rows: 15, kept: 15, dropped: {} }, notes: [] };
 * const { manifest } = fiveBy200(set, { perClass: 2, seed: 7 });
 * manifest.classes.Edema.ids.length; // 2
 */
export function fiveBy200(
  dataset: Dataset,
  { perClass = 200, seed = 0 }: FiveBy200Options = {},
): { samples: Sample[]; manifest: FiveBy200Manifest } {
  if (!(Number.isInteger(perClass) && perClass > 0)) {
    throw new DataError(`fiveBy200: perClass: expected a whole number >= 1, got ${perClass}`);
  }
  if (!dataset.samples.some(({ labels }) => labels && tested.some((name) => name in labels))) {
    throw new DataError(
      `fiveBy200: ${dataset.name}: no sample has CheXpert labels. Fix: read it with labels: 'chexpert'`,
    );
  }
  const candidates = new Map<FiveClass, Sample[]>(fiveClasses.map((name) => [name, []]));
  for (const sample of dataset.samples) {
    const name = sample.meta?.frontal === true ? onlyClass(sample) : undefined;
    if (name) candidates.get(name)!.push(sample);
  }
  const counts = fiveClasses.map((name) => `${name} ${candidates.get(name)!.length}`).join(', ');
  if (fiveClasses.some((name) => candidates.get(name)!.length < perClass)) {
    throw new DataError(
      `fiveBy200: ${dataset.name}: expected at least ${perClass} frontal images of each class alone, got ${counts}. Fix: perClass, or read more of the set`,
    );
  }
  const chosen = fiveClasses.map((name) => {
    const byId = [...candidates.get(name)!].sort((a, b) => (a.id < b.id ? -1 : 1));
    return randomStream(seed, '5x200', name).shuffle(byId).slice(0, perClass);
  });
  const classes = Object.fromEntries(
    fiveClasses.map((name, i) => {
      const ids = chosen[i]!.map(({ id }) => id).sort();
      return [name, { candidates: candidates.get(name)!.length, sha256: sha256Of(ids), ids }];
    }),
  ) as FiveBy200Manifest['classes'];
  const samples = chosen.flat();
  const reader = dataset.options && { reader: dataset.options };
  const manifest: FiveBy200Manifest = {
    format: 'medalign-5x200',
    version: 1,
    dataset: dataset.name,
    options: { perClass, seed, ...reader },
    sha256: sha256Of(samples.map(({ id }) => id)),
    classes,
  };
  return { samples, manifest };
}
