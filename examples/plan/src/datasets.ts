import {
  chexpert,
  covid19Radiography,
  covidChestxray,
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

export interface ReadOptions {
  /** Folder of MIMIC-CXR-JPG that MS-CXR's boxes lie on. */
  images?: string | undefined;
  /** Folder of the MIMIC-CXR reports, if not that of the images. */
  reports?: string | undefined;
  /** Which part of a report is its text (MIMIC-CXR-JPG); default findings and impression. */
  text?: ReportPart | undefined;
  /** MS-CXR, whose patients are left out because it is tested on (MIMIC-CXR-JPG). */
  exclude?: string | undefined;
  /** Attach CheXpert's labels (MIMIC-CXR-JPG). */
  labels?: boolean;
  /** Images of each class (5×200), and the seed they are drawn with. */
  perClass?: number | undefined;
  seed?: number;
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
  const { images, reports, text, exclude, labels = false, perClass, seed = 0, phantom } = options;
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
      return covidChestxray(path);
    case 'pairs':
      return pairsDataset(path);
    case 'mimic-cxr-jpg':
      return mimicCxrJpg(path, mimic);
    case 'ms-cxr':
      if (!images)
        throw new ConfigError(
          'ms-cxr: boxes without images: they lie on MIMIC-CXR-JPG, and its folder was not given. Fix: --images <folder that holds files/>',
        );
      return msCxr(path, { images });
    case 'mimic-5x200':
      return drawn(kind, await mimicCxrJpg(path, { ...mimic, labels: 'chexpert' }), { perClass, seed });
    case 'chexpert-5x200':
      return drawn(kind, await chexpert(path, { frontalOnly: true }), { perClass, seed });
    case 'rsna-pneumonia':
      return rsnaPneumonia(path, { split: 'gloria' });
    case 'covid19-radiography':
      return covid19Radiography(path);
  }
}

function generate({ seed, patients, size }: { seed: number; patients: number; size: number }): Dataset {
  say(`generating ${patients} phantom patients …`);
  const onPatient = (done: number) => {
    if (done % 500 === 0) say(`generating ${patients} phantom patients … ${done} done`);
  };
  return phantomChest({ seed, patients, size, onPatient });
}

/** The images of a 5×200 draw as a data set of their own, with what was drawn in its options. */
function drawn(
  name: DataKind,
  dataset: Dataset,
  { perClass, seed }: { perClass: number | undefined; seed: number },
): Dataset {
  const { samples, manifest } = fiveBy200(dataset, { ...(perClass && { perClass }), seed });
  const { kept, rows, dropped } = dataset.counts;
  return {
    ...dataset,
    name,
    samples,
    counts: { rows, kept: samples.length, dropped: { ...dropped, 'not drawn': kept - samples.length } },
    notes: [...dataset.notes, describeDraw(manifest)],
    options: { ...dataset.options, draw: { ...manifest.options, sha256: manifest.sha256 } },
  };
}

const describeDraw = ({ options, sha256, classes }: FiveBy200Manifest) =>
  `${options.perClass} images of each of ${Object.keys(classes).length} classes, drawn with seed ${options.seed}, ids sha256 ${sha256.slice(0, 16)}…; the published draw has no seed.`;
