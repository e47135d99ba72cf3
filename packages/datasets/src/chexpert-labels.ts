import { DataError, type Sample } from './types';

/** The 14 labels of CheXpert, in the order of its table; MIMIC-CXR-JPG has the same. */
export const chexpertLabels = [
  'No Finding',
  'Enlarged Cardiomediastinum',
  'Cardiomegaly',
  'Lung Opacity',
  'Lung Lesion',
  'Edema',
  'Consolidation',
  'Pneumonia',
  'Atelectasis',
  'Pneumothorax',
  'Pleural Effusion',
  'Pleural Other',
  'Fracture',
  'Support Devices',
] as const;
/** One of the 14 names in {@link chexpertLabels}. */
export type ChexpertLabel = (typeof chexpertLabels)[number];

/**
 * 1, 0, −1 of a row, also written `1.0`; a blank is a label that is missing, not a 0.
 *
 * @throws {DataError} naming the row and the column of anything else.
 */
export function labelsOf(row: Record<string, unknown>, where: string): NonNullable<Sample['labels']> {
  const labels: Record<string, number> = {};
  for (const name of chexpertLabels) {
    const cell = String(row[name] ?? '').trim();
    if (cell === '') continue;
    labels[name] = Number(cell);
    if (![1, 0, -1].includes(labels[name])) {
      throw new DataError(`${where}: ${name}: expected 1, 0, -1 or a blank, got '${cell}'`);
    }
  }
  return labels;
}
