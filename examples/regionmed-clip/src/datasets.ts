import {
  type Dataset,
  givenSplit,
  type MedRegionDataset,
  type MedRegionSample,
  medRegion,
  phantomMedRegion,
  type Split,
  splitByPatient,
} from '@medalign/datasets';
import { ConfigError } from '@medalign/trainer';
import type { Config } from './config';

const say = (text: string) => process.stderr.write(`${text}\n`);

/** Problems of a MedRegion folder that are listed one by one; all are counted. */
const listed = 20;

/**
 * Generates or reads the data set.
 *
 * @throws {ConfigError} if no folder was given for `medregion`; {DataError} of the reader.
 */
export async function readDataset({ kind, path, seed, patients, size }: Config['data']): Promise<MedRegionDataset> {
  if (kind === 'phantom') {
    say(`generating ${patients} phantom patients …`);
    return phantomMedRegion({ seed, patients, size });
  }
  if (!path)
    throw new ConfigError(`data.path: ${kind} is read from disk, and no folder was given. Fix: --data <folder>`);
  const dataset = await medRegion(path);
  for (const { level, file, line, id, message } of dataset.problems.slice(0, listed))
    say(`${level}: ${file}:${line}${id === undefined ? '' : ` (${id})`}: ${message}`);
  const more = dataset.problems.length - listed;
  if (more > 0) say(`… and ${more} more problems: npx medalign-datasets validate ${path} lists them all`);
  return dataset;
}

/** A split of MedRegion samples. */
export type MedRegionSplit = Split & Record<'train' | 'validation' | 'test', MedRegionSample[]>;

/** The publisher's split where every sample has one and no part is empty, else one by patient. */
export function splitOf(dataset: Dataset, options: { fractions: Config['data']['fractions']; seed: number }) {
  if (dataset.samples.every(({ split }) => split !== undefined)) {
    const split = givenSplit(dataset);
    if (split.train.length && split.validation.length && split.test.length) return split as MedRegionSplit;
    say(`${dataset.name}: its own split leaves a part empty and is not used: patients are split here`);
  }
  return splitByPatient(dataset, options) as MedRegionSplit;
}
