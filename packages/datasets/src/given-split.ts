import { manifestOf, persons, type Split, type SplitName } from './split';
import { DataError, type Dataset, type Sample } from './types';

const publishedNames: Record<string, SplitName> = {
  train: 'train',
  training: 'train',
  validate: 'validation',
  validation: 'validation',
  valid: 'validation',
  val: 'validation',
  dev: 'validation',
  test: 'test',
  testing: 'test',
};

/**
 * Splits a dataset as its publisher did (`Sample.split`): `validate`, `valid`, `val` and `dev` are all `validation`.
 *
 * @returns as `splitByPatient`; a part that the publisher does not have is empty.
 * @throws {DataError} if a sample has no split or one of another name, or a patient is in two parts.
 * @example
 * const set = phantomChest({ patients: 3, imagesPerPatient: [1, 1] });
 * ['train', 'validate', 'test'].forEach((name, i) => { set.samples[i].split = name; });
 * givenSplit(set).validation.length; // 1
 * givenSplit(set).manifest.options.by; // "given"
 */
export function givenSplit(dataset: Dataset): Split {
  const parts: Record<SplitName, Sample[]> = { train: [], validation: [], test: [] };
  const personOf = persons(dataset.samples, dataset.together ?? []);
  const partOf = new Map<string, SplitName>();
  const shared = new Set<string>();
  for (const sample of dataset.samples) {
    const name = publishedNames[sample.split?.trim().toLowerCase() ?? ''];
    if (name === undefined) {
      throw new DataError(
        `${dataset.name}: ${sample.id}: expected a split such as train, validate or test, got ${sample.split ?? 'none'}. Fix: correct it, or split here instead: without the \`split\` column, or with splitByPatient`,
      );
    }
    const person = personOf.get(sample.patientId)!;
    if ((partOf.get(person) ?? name) !== name) shared.add(sample.patientId);
    partOf.set(person, name);
    parts[name].push(sample);
  }
  if (shared.size > 0) {
    throw new DataError(
      `${dataset.name}: ${shared.size} patients are in two parts of the given split, such as ${[...shared].slice(0, 3).join(', ')}. Fix: correct the \`split\` column; or split here instead: without the column, or with splitByPatient`,
    );
  }
  const total = Math.max(1, dataset.samples.length);
  const share = (name: SplitName) => parts[name].length / total;
  const fractions = { train: share('train'), validation: share('validation'), test: share('test') };
  const together = (dataset.together ?? []).map((list) => [...list]);
  return { ...parts, manifest: manifestOf(dataset, parts, { by: 'given', fractions, seed: null, together }) };
}
