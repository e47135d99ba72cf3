import {
  chexpert,
  covid19Radiography,
  covidChestxray,
  DataError,
  type Dataset,
  type FiveBy200Manifest,
  fiveBy200,
  mimicCxrJpg,
  msCxr,
  pairsDataset,
  patientIds,
  phantomChest,
  type ReportPart,
  rsnaPneumonia,
} from '@medalign/datasets';
import { ConfigError } from '@medalign/trainer';

/** Every data set that the example reads. */
export const dataKinds = [
  'phantom',
  'covid-chestxray',
  'pairs',
  'mimic-cxr-jpg',
  'ms-cxr',
  'mimic-5x200',
  'chexpert-5x200',
  'rsna-pneumonia',
  'covid19-radiography',
] as const;
export type DataKind = (typeof dataKinds)[number];

/** Whether its images are drawn, the same number of each class. */
export const isFiveBy200 = (kind: DataKind) => /5x200$/.test(kind);

export interface ReadOptions {
  /** Folder of MIMIC-CXR-JPG that MS-CXR's boxes lie on. */
  images?: string | undefined;
  /** Folder of the MIMIC-CXR reports, if not that of the images. */
  reports?: string | undefined;
  /** Which part of a report is its text (MIMIC-CXR-JPG); default findings and impression. */
  text?: ReportPart | undefined;
  /** MS-CXR, whose patients are left out because it is tested on (MIMIC-CXR-JPG). */
  exclude?: string | undefined;
  /** Where the relative image paths of a table start, if not in its folder (pairs). */
  imageFolder?: string | undefined;
  /** Leave out rows whose image file is missing (pairs). */
  allowMissingImages?: boolean;
  /** Attach CheXpert's labels (MIMIC-CXR-JPG). */
  labels?: boolean;
  /** Images of each class (5×200), and the seed they are drawn with. */
  perClass?: number | undefined;
  seed?: number;
  /** Ids of images whose patients are left out, 5×200 before it is drawn: those that a model was trained on. */
  leaveOut?: readonly string[];
  /** What to generate. */
  phantom?: { seed: number; patients: number; size: number };
}

const say = (text: string) => process.stderr.write(`${text}\n`);

/**
 * Reads or generates a data set by its name.
 *
 * @param path folder or file; not needed for `phantom`.
 * @throws {ConfigError} if the path, or what else the set needs, was not given; {DataError} of the reader.
 */
export async function readDataset(
  kind: DataKind,
  path: string | undefined,
  options: ReadOptions = {},
): Promise<Dataset> {
  const { images, reports, text, exclude, labels = false, perClass, seed = 0, leaveOut = [], phantom } = options;
  const { imageFolder, allowMissingImages = false } = options;
  const strangers = (dataset: Dataset) => withoutPatients(dataset, leaveOut);
  if (kind === 'phantom') return generate(phantom ?? { seed: 0, patients: 800, size: 64 });
  if (!path) throw new ConfigError(`data.path: ${kind} is read from disk, and no folder was given. Fix: --data <path>`);
  const mimic = {
    ...(reports && { reports }),
    ...(text && { text }),
    ...(exclude && { excludePatients: patientIds(await msCxr(exclude, { images: path })) }),
    ...(labels && { labels: 'chexpert' as const }),
  };
  switch (kind) {
    case 'covid-chestxray':
      return strangers(await covidChestxray(path));
    case 'pairs':
      return strangers(await pairsDataset(path, { ...(imageFolder && { imageFolder }), allowMissingImages }));
    case 'mimic-cxr-jpg':
      return strangers(await mimicCxrJpg(path, mimic));
    case 'ms-cxr':
      if (!images)
        throw new ConfigError(
          'ms-cxr: boxes without images: they lie on MIMIC-CXR-JPG, and its folder was not given. Fix: --images <folder that holds files/>',
        );
      return strangers(await msCxr(path, { images }));
    case 'mimic-5x200':
      return drawn(kind, strangers(await mimicCxrJpg(path, { ...mimic, labels: 'chexpert' })), { perClass, seed });
    case 'chexpert-5x200':
      return drawn(kind, strangers(await chexpert(path, { frontalOnly: true })), { perClass, seed });
    case 'rsna-pneumonia':
      return strangers(await rsnaPneumonia(path, { split: 'gloria' }));
    case 'covid19-radiography':
      return strangers(await covid19Radiography(path));
  }
}

function generate({ seed, patients, size }: { seed: number; patients: number; size: number }): Dataset {
  say(`generating ${patients} phantom patients …`);
  const onPatient = (done: number) => {
    if (done % 500 === 0) say(`generating ${patients} phantom patients … ${done} done`);
  };
  return phantomChest({ seed, patients, size, onPatient });
}

/** Patients of whom the data set has one of these images, and whoever else is the same person. */
export function trainingPatients({ samples, together = [] }: Dataset, ids: readonly string[]): Set<string> {
  const known = new Set(ids);
  const patients = new Set(samples.filter(({ id }) => known.has(id)).map(({ patientId }) => patientId));
  for (const list of together) {
    if (list.some((id) => patients.has(id))) for (const id of list) patients.add(id);
  }
  return patients;
}

const trained = 'patient that the model was trained on';

function withoutPatients(dataset: Dataset, ids: readonly string[]): Dataset {
  const patients = trainingPatients(dataset, ids);
  if (patients.size === 0) return dataset;
  const { rows, kept, dropped } = dataset.counts;
  const samples = dataset.samples.filter(({ patientId }) => !patients.has(patientId));
  const counts = { rows, kept: samples.length, dropped: { ...dropped, [trained]: kept - samples.length } };
  return { ...dataset, samples, counts };
}

/** The images of a 5×200 draw as a data set of their own, with what was drawn in its options. */
function drawn(
  name: DataKind,
  dataset: Dataset,
  { perClass, seed }: { perClass: number | undefined; seed: number },
): Dataset {
  const { kept, rows, dropped } = dataset.counts;
  const { samples, manifest } = inCommand(dataset, () => fiveBy200(dataset, { ...(perClass && { perClass }), seed }));
  return {
    ...dataset,
    name,
    samples,
    counts: { rows, kept: samples.length, dropped: { ...dropped, 'not drawn': kept - samples.length } },
    notes: [...dataset.notes, describeDraw(manifest)],
    options: { ...dataset.options, draw: { ...manifest.options, sha256: manifest.sha256 } },
  };
}

/** What is too little for a draw may be more with other options of the command. */
function inCommand<T>({ counts }: Dataset, draw: () => T): T {
  try {
    return draw();
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    const left = counts.dropped[trained];
    const also = left
      ? `, or --allow-training-patients (${left} images of patients that the model was trained on were left out)`
      : '';
    throw new DataError(`${error.message}. Here: --per-class${also}`, { cause: error });
  }
}

const describeDraw = ({ options, sha256, classes }: FiveBy200Manifest) =>
  `${options.perClass} images of each of ${Object.keys(classes).length} classes, drawn with seed ${options.seed}, ids sha256 ${sha256.slice(0, 16)}…; the published draw has no seed.`;
