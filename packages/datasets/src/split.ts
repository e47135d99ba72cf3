import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { normalize } from 'node:path';
import { randomStream } from './random';
import { DataError, type Dataset, type Sample } from './types';

/** The parts of a split. */
export const splitNames = ['train', 'validation', 'test'] as const;
/** `train`, `validation` or `test`. */
export type SplitName = (typeof splitNames)[number];

/** Options of {@link splitByPatient}. */
export interface SplitOptions {
  /** Shares of the samples; they add up to 1. */
  fractions?: Record<SplitName, number>;
  seed?: number;
  /** Lists of patient ids that are one person; added to the dataset's own list. */
  together?: readonly (readonly string[])[];
}

/** Exactly which samples are in which part, and how that came about. */
export interface SplitManifest {
  format: 'medalign-split';
  version: 1;
  dataset: string;
  options: {
    /** `patient`: made by `splitByPatient`; `given`: the publisher's own, by `givenSplit`. Manifests without it: `patient`. */
    by?: 'patient' | 'given';
    /** As asked for; of a given split, as found. */
    fractions: Record<SplitName, number>;
    /** Of a given split, null. */
    seed: number | null;
    together: string[][];
    /** What the reader was asked for (`dataset.options`): which text, which labels, how pixels are scaled. */
    reader?: Record<string, unknown>;
  };
  parts: Record<
    SplitName,
    {
      patients: number;
      samples: number;
      sha256: string;
      ids: string[];
      /**
       * {@link patientHash} of each patient who has an id, sorted: who was in the part, whatever the images are called
       * elsewhere.
       */
      patientHashes?: string[];
    }
  >;
}

/** The samples of the three parts, and the manifest that names them. */
export type Split = Record<SplitName, Sample[]> & { manifest: SplitManifest };

/**
 * A patient's id as a manifest may be published with: the first 16 hexadecimal digits of its sha256. It tells the same
 * patient apart from others; whoever can guess an id can check the guess, so it hides no number that is a secret.
 *
 * @example
 * patientHash('p10000032') // "728964fdc3d33dfe"
 */
export const patientHash = (patientId: string): string =>
  createHash('sha256').update(patientId).digest('hex').slice(0, 16);

const sha256OfIds = (ids: readonly string[]) =>
  createHash('sha256')
    .update([...ids].sort().join('\n'))
    .digest('hex');

/** Patient id → one name for all ids of that person. */
export function persons(samples: readonly Sample[], together: readonly (readonly string[])[]): Map<string, string> {
  const parent = new Map<string, string>();
  const find = (id: string): string => {
    const up = parent.get(id);
    return up === undefined || up === id ? id : find(up);
  };
  for (const list of together) {
    for (const id of list) {
      const [a, b] = [find(list[0]!), find(id)].sort();
      parent.set(b!, a!);
    }
  }
  return new Map(samples.map(({ patientId }) => [patientId, find(patientId)]));
}

/**
 * Splits a dataset so that no patient is in two parts.
 *
 * Patients, in an order that depends on the seed and their ids alone, go one by one to the part that lacks the most
 * samples against its share. The order of the samples in the dataset changes nothing.
 *
 * @param dataset patients that the dataset knows to be one person (`dataset.together`) stay together.
 * @param options `fractions` 0.8, 0.1, 0.1; `seed` 0; `together` further lists of ids.
 * @returns samples of each part in the dataset's order, and the manifest to publish with a result.
 * @throws {DataError} if the fractions do not add up to 1, two samples share an id, or a part would be empty.
 * @example
 * const set = phantomChest({ patients: 20, imagesPerPatient: [1, 1] });
 * const { train, test, manifest } = splitByPatient(set, { seed: 7 });
 * [train.length, test.length]; // [16, 2]
 * manifest.parts.test.patients; // 2
 */
export function splitByPatient(
  dataset: Dataset,
  { fractions = { train: 0.8, validation: 0.1, test: 0.1 }, seed = 0, together = [] }: SplitOptions = {},
): Split {
  const shares = splitNames.map((name) => fractions[name] ?? 0);
  const sum = shares.reduce((a, b) => a + b, 0);
  if (shares.some((share) => !(share >= 0)) || Math.abs(sum - 1) > 1e-9) {
    throw new DataError(
      `splitByPatient: fractions: expected train, validation and test >= 0 that add up to 1, got ${shares.join(' + ')} = ${Number(sum.toFixed(9))}`,
    );
  }
  const lists = [...(dataset.together ?? []), ...together].map((list) => [...list]);
  const personOf = persons(dataset.samples, lists);
  const sizes = new Map<string, number>();
  for (const { patientId } of dataset.samples) {
    const person = personOf.get(patientId)!;
    sizes.set(person, (sizes.get(person) ?? 0) + 1);
  }
  const order = randomStream(seed, 'split').shuffle([...sizes.keys()].sort());
  const partOf = place(order, sizes, shares);
  const parts = Object.fromEntries(
    splitNames.map((name, i) => [name, dataset.samples.filter((s) => partOf.get(personOf.get(s.patientId)!) === i)]),
  ) as Record<SplitName, Sample[]>;
  const empty = emptyPart(partOf, shares);
  if (empty !== undefined) {
    const fitting = fittingShares(order, sizes, shares);
    const instead = fitting ? `fractions {${splitNames.map((name, i) => `${name}: ${fitting[i]}`).join(', ')}}, ` : '';
    throw new DataError(
      `splitByPatient: ${splitNames[empty]} would be empty: ${sizes.size} patients cannot be split ${shares.join(' / ')}. ` +
        `Fix: ${instead}a fraction of 0 for a part that is not needed, or more patients.`,
    );
  }
  return { ...parts, manifest: manifestOf(dataset, parts, { by: 'patient', fractions, seed, together: lists }) };
}

/** Person → the number of the part that lacks the most samples against its share when their turn comes. */
function place(
  order: readonly string[],
  sizes: ReadonlyMap<string, number>,
  shares: readonly number[],
): Map<string, number> {
  const filled = shares.map(() => 0);
  const partOf = new Map<string, number>();
  let placed = 0;
  for (const person of order) {
    const size = sizes.get(person)!;
    placed += size;
    const lacking = shares.map((share, i) => (share === 0 ? Number.NEGATIVE_INFINITY : share * placed - filled[i]!));
    const best = lacking.indexOf(Math.max(...lacking));
    filled[best] = filled[best]! + size;
    partOf.set(person, best);
  }
  return partOf;
}

/** The first part that has a share and nobody in it. */
function emptyPart(partOf: ReadonlyMap<string, number>, shares: readonly number[]): number | undefined {
  const used = new Set(partOf.values());
  const empty = shares.findIndex((share, i) => share > 0 && !used.has(i));
  return empty < 0 ? undefined : empty;
}

/** Shares near the given ones, in hundredths, that leave no part empty: small ones grow, at the cost of the largest. */
function fittingShares(
  order: readonly string[],
  sizes: ReadonlyMap<string, number>,
  shares: readonly number[],
): number[] | undefined {
  const largest = shares.indexOf(Math.max(...shares));
  for (let least = 1; least < 50; least++) {
    const cents = shares.map((share) => (share === 0 ? 0 : Math.max(least, Math.round(share * 100))));
    cents[largest] = 0;
    cents[largest] = 100 - cents.reduce((a, b) => a + b, 0);
    if (cents[largest]! < least) return undefined;
    const fitting = cents.map((cent) => cent / 100);
    if (emptyPart(place(order, sizes, fitting), fitting) === undefined) return fitting;
  }
  return undefined;
}

/** Names, counts and hashes of the parts. */
export function manifestOf(
  dataset: Dataset,
  parts: Record<SplitName, Sample[]>,
  options: SplitManifest['options'],
): SplitManifest {
  const all = dataset.samples.map(({ id }) => id);
  const twice = duplicate(all);
  if (twice !== undefined)
    throw new DataError(`${dataset.name}: two samples have the id '${twice}'; ids must be unique`);
  const described = Object.fromEntries(
    splitNames.map((name) => {
      const ids = parts[name].map(({ id }) => id).sort();
      const patients = new Set(parts[name].map(({ patientId }) => patientId));
      const patientHashes = [...new Set(parts[name].filter(hasPatientId).map((s) => patientHash(s.patientId)))].sort();
      return [name, { patients: patients.size, samples: ids.length, sha256: sha256OfIds(ids), ids, patientHashes }];
    }),
  ) as SplitManifest['parts'];
  const reader = dataset.options && { reader: dataset.options };
  return {
    format: 'medalign-split',
    version: 1,
    dataset: dataset.name,
    options: { ...options, ...reader },
    parts: described,
  };
}

/** A table without patients calls each by its image: the same name in another table is another image. */
const hasPatientId = ({ patientId, image }: Sample) =>
  image.kind !== 'file' || !image.path.endsWith(normalize(patientId));

function duplicate(ids: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return ids.find((id) => seen.size === seen.add(id).size);
}

/**
 * Writes a split's manifest as JSON, to be published with the results.
 *
 * @example
 * const { manifest } = splitByPatient(phantomChest({ patients: 20 }));
 * const path = `${(await import('node:os')).tmpdir()}/split.json`;
 * await writeManifest(path, manifest);
 * (await readManifest(path)).version; // 1
 */
export async function writeManifest(path: string, manifest: SplitManifest): Promise<void> {
  await writeFile(path, `${JSON.stringify(manifest, undefined, 2)}\n`);
}

/**
 * Reads a manifest and checks it: format, version, and the sha256 of each part's ids.
 *
 * @throws {DataError} naming the file and what does not fit.
 */
export async function readManifest(path: string): Promise<SplitManifest> {
  let manifest: SplitManifest;
  try {
    manifest = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new DataError(`${path}: expected a split manifest in JSON: ${(error as Error).message}`);
  }
  if (manifest.format !== 'medalign-split' || manifest.version !== 1) {
    throw new DataError(
      `${path}: expected format 'medalign-split' version 1, got '${manifest.format}' version ${manifest.version}`,
    );
  }
  for (const name of splitNames) {
    const part = manifest.parts[name];
    if (sha256OfIds(part.ids) !== part.sha256) {
      throw new DataError(`${path}: the ids of '${name}' do not match their sha256: the file was changed by hand`);
    }
  }
  return manifest;
}

/**
 * For going on with a training: the parts must be those that it began with, or it would be tested on what it has learned.
 *
 * @param path the manifest that was written then; nothing is checked if there is none.
 * @throws {DataError} naming the part that differs.
 * @example
 * const set = phantomChest({ patients: 20 });
 * const path = `${(await import('node:os')).tmpdir()}/split-${process.pid}.json`;
 * await writeManifest(path, splitByPatient(set, { seed: 7 }).manifest);
 * await checkSameSplit(path, splitByPatient(set, { seed: 7 }).manifest);
 * const other = checkSameSplit(path, splitByPatient(set, { seed: 8 }).manifest);
 * await other.catch((error: Error) => error.name); // "DataError"
 */
export async function checkSameSplit(path: string, manifest: SplitManifest): Promise<void> {
  if (!existsSync(path)) return;
  const before = await readManifest(path);
  for (const name of splitNames) {
    const [was, is] = [before.parts[name], manifest.parts[name]];
    if (was.sha256 !== is.sha256)
      throw new DataError(
        `${path}: the ${name} part was ${was.samples} samples of ${before.dataset}, and is ${is.samples} of ${manifest.dataset} now, not the same ones. ` +
          'Fix: go on with the data and the fractions that the run began with, or start a new run',
      );
  }
}

/**
 * Splits a dataset as a manifest says, so that a published result can be repeated on the same samples.
 *
 * @throws {DataError} if an id of the manifest is not in the dataset, a sample is not in the manifest, or the reader was
 * asked for something else then (another text, other labels).
 * @example
 * const set = phantomChest({ patients: 20 });
 * const { test, manifest } = splitByPatient(set);
 * applyManifest(set, manifest).test.length - test.length; // 0
 */
export function applyManifest(dataset: Dataset, manifest: SplitManifest): Split {
  const { reader } = manifest.options;
  for (const name of reader && dataset.options
    ? new Set([...Object.keys(reader), ...Object.keys(dataset.options)])
    : []) {
    const [then, now] = [JSON.stringify(reader![name]), JSON.stringify(dataset.options![name])];
    if (then !== now) {
      throw new DataError(
        `${dataset.name}: the manifest was made with ${name} ${then ?? 'not set'}, the dataset was read with ${now ?? 'not set'}. Fix: read it with the manifest's options.reader`,
      );
    }
  }
  const samples = new Map(dataset.samples.map((sample) => [sample.id, sample]));
  const parts = {} as Record<SplitName, Sample[]>;
  for (const name of splitNames) {
    const ids = new Set(manifest.parts[name].ids);
    const missing = [...ids].filter((id) => !samples.has(id));
    if (missing.length > 0) {
      throw new DataError(
        `${dataset.name}: ${missing.length} ids of the manifest's '${name}' are not in the dataset, such as ${missing.slice(0, 3).join(', ')}`,
      );
    }
    parts[name] = dataset.samples.filter(({ id }) => ids.has(id));
  }
  const used = splitNames.reduce((sum, name) => sum + parts[name].length, 0);
  if (used !== dataset.samples.length) {
    throw new DataError(`${dataset.name}: ${dataset.samples.length} samples, but the manifest places ${used} of them`);
  }
  return { ...parts, manifest };
}
