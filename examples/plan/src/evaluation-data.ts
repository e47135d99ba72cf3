import {
  applyManifest,
  DataError,
  type Dataset,
  givenSplit,
  patientHash,
  type Sample,
  type Split,
  type SplitManifest,
  splitByPatient,
} from '@medalign/datasets';
import { ConfigError } from '@medalign/trainer';
import type { Config } from './config';
import { type DataKind, isFiveBy200, type ReadOptions, readDataset, trainingPatients } from './datasets';

/** Which images a model is read on. */
export const parts = ['test', 'validation', 'all'] as const;
export type Part = (typeof parts)[number];

export interface EvaluationData {
  kind: DataKind;
  dataset: Dataset;
  /** The images to read. */
  samples: Sample[];
  part: Part;
  /** The other parts: to choose thresholds and train heads on; undefined if the set is read as a whole. */
  split: Split | undefined;
  /** The data set that the model was trained on. */
  own: boolean;
  /** Images that the model was trained on, or of patients that it was trained on. */
  leaked: { images: number; patients: number };
  /** Ids of the images that it was trained on, as far as they are known; may their patients be read? */
  trainingIds: readonly string[];
  allowTrained: boolean;
  notes: string[];
}

export interface Wanted {
  kind?: DataKind | undefined;
  path?: string | undefined;
  part: Part;
  read: Pick<ReadOptions, 'images' | 'reports' | 'labels' | 'perClass'>;
  /** Read images of training patients all the same; the tables then say so. */
  allowTrained?: boolean | undefined;
}

/**
 * Reads the data set to evaluate on: the checkpoint's own with its own split, or another one.
 *
 * @param config says what to generate and how to split; `trained` is what the model was trained on, `manifest` its split.
 * @throws {ConfigError} if images of patients that the model was trained on would be read; {DataError} of the readers.
 */
export async function evaluationData(
  config: Config,
  { trained, manifest }: { trained: Config['data']; manifest: SplitManifest | undefined },
  { kind = config.data.kind, path, part, read, allowTrained = false }: Wanted,
): Promise<EvaluationData> {
  const { seed, patients, size, fractions, text } = config.data;
  // Another seed of the phantom gives other patients under the same names.
  const same = kind === trained.kind && (kind !== 'phantom' || seed === trained.seed);
  const folder = path ?? (kind === config.data.kind ? config.data.path : undefined);
  const trainingIds = kind === 'phantom' && !same ? [] : (manifest?.parts.train.ids ?? []);
  // What is drawn is drawn from strangers; elsewhere the parts are fixed, and a training patient in them is an error.
  const strangers = isFiveBy200(kind) && !same && !allowTrained ? { leaveOut: trainingIds } : {};
  const { images = config.data.images, reports = config.data.reports } = read;
  const exclude = same ? config.data.exclude : undefined;
  const { imageFolder, allowMissingImages } = config.data;
  const table = kind === config.data.kind ? { ...(path === undefined && { imageFolder }), allowMissingImages } : {};
  const phantom = { seed, patients, size };
  const options = { ...read, ...strangers, ...table, images, reports, text, exclude, phantom };
  const dataset = await readDataset(kind, folder, options);
  const withText = { ...dataset, samples: dataset.samples.filter(({ text }) => text.trim() !== '') };

  // ── The split: the one it was trained with, the publisher's, or one by patient ──────────────────────────────────
  const trainedWith = same && manifest ? ownSplit(withText, manifest, path !== undefined) : undefined;
  const own = trainedWith !== undefined || (same && manifest === undefined && path === undefined);
  const whole = own ? withText : dataset;
  const split =
    trainedWith ??
    (part === 'all' && !own ? undefined : partsOf(whole, { fractions, seed, given: !isFiveBy200(kind) }));
  const samples = part === 'all' ? whole.samples : split![part];
  if (samples.length === 0) {
    throw new DataError(`${dataset.name}: its ${part} part has no image. Fix: --split all, or data.fractions`);
  }

  const notes: string[] = [];
  if (!manifest) notes.push('There is no split.json beside the checkpoint: what it was trained on is not known.');
  const known = trainingPatients(dataset, trainingIds);
  const hashes = new Set(kind === 'phantom' && !same ? [] : manifest?.parts.train.patientHashes);
  const numbered = new Set(samples.map(({ patientId }) => patientId).filter((id) => hashes.has(patientHash(id))));
  // Sets of different kinds number their patients anew: equal ids are a hint, and no more.
  const sameNumbers = kind === trained.kind;
  const seen = samples.flatMap(({ patientId }) =>
    known.has(patientId) || (sameNumbers && numbered.has(patientId)) ? [patientId] : [],
  );
  const leaked = { images: seen.length, patients: new Set(seen).size };
  if (leaked.images > 0) {
    const what = `${leaked.images} of ${samples.length} images are of ${leaked.patients} patients that the model was trained on`;
    if (!allowTrained) {
      throw new ConfigError(
        `--split ${part}: ${what}, such as ${seen[0]}: no result. Fix: ${own ? '--split test' : 'leave them out of the data'}; or --allow-training-patients, which the tables then say`,
      );
    }
    notes.push(`NOT A RESULT: ${what}.`);
  }
  if (!sameNumbers && numbered.size > 0 && leaked.images === 0)
    notes.push(`${numbered.size} patients have ids that training patients have, such as ${[...numbered][0]}: if they are the same people, this is no result.`); // biome-ignore format: one sentence
  if (own && part === 'validation')
    notes.push('Validation patients: training looked at them to set its learning rate.');
  return { kind, dataset, samples, part, split, own, leaked, trainingIds, allowTrained, notes };
}

/** The split of the training run; undefined if another copy of the data set was asked for and it does not fit. */
function ownSplit(dataset: Dataset, manifest: SplitManifest, elsewhere: boolean): Split | undefined {
  try {
    if (manifest.dataset !== dataset.name) {
      throw new DataError(`${dataset.name}: the checkpoint was trained on ${manifest.dataset}`);
    }
    // Labels may have been of no use then. They change neither texts nor which images there are.
    const { labels, ...rest } = dataset.options ?? {};
    const options = manifest.options.reader && !('labels' in manifest.options.reader) ? rest : dataset.options;
    return applyManifest({ ...dataset, ...(options && { options }) }, manifest);
  } catch (error) {
    if (elsewhere || dataset.name === 'phantom-chest') return undefined;
    throw error;
  }
}

/** The same as `splitOf`; what is too small to split can be read as a whole. */
function partsOf(dataset: Dataset, options: Parameters<typeof splitOf>[1]): Split {
  try {
    return splitOf(dataset, options);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    const fix = 'Here: --split all, which needs no parts, or --set data.fractions={train: …, validation: …, test: …}';
    throw new DataError(`${dataset.name}: ${error.message} ${fix}`, { cause: error });
  }
}

/** The publisher's split where there is one, else one by patient. */
export function splitOf(
  dataset: Dataset,
  { given, ...options }: { fractions: Config['data']['fractions']; seed: number; given: boolean },
): Split {
  if (given && dataset.samples.every(({ split }) => split !== undefined)) {
    const split = givenSplit(dataset);
    // A set may come with two parts only, such as CheXpert's train and valid: then it is split here.
    if (split.train.length && split.validation.length && split.test.length) return split;
    process.stderr.write(
      `${dataset.name}: its own split has ${split.train.length} images to train on, ${split.validation.length} to validate, ${split.test.length} to test; with an empty part it is not used, and patients are split here\n`,
    );
  }
  return splitByPatient(dataset, options);
}
