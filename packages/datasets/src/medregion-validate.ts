import { isNoFinding } from './clean-text';
import { checkedRecords } from './medregion-check';
import type { MedRegionProblem, MedRegionProblemKind } from './medregion-types';

/** What `validateMedRegion` found. */
export interface MedRegionReport {
  /** Lines of `records.jsonl`, but empty ones. */
  records: number;
  /** Records without an error. */
  valid: number;
  errors: number;
  warnings: number;
  /** Kind of problem → how many. */
  byKind: Partial<Record<MedRegionProblemKind, number>>;
  /** In the order of the lines, those of `split.csv` last. */
  problems: MedRegionProblem[];
  /** Of the valid records. */
  patients: number;
  normal: number;
  regions: number;
  modalities: Record<string, number>;
}

/**
 * Checks a MedRegion folder and decodes every image: lists **every** problem with line and id, never only the first.
 *
 * Errors are broken JSON, what the schema forbids, missing captions, boxes without area or outside the image, another
 * number of negatives than five or none, negatives that are true or repeat, ids used twice, images that are missing or
 * cannot be decoded, masks of another size, patients in two parts of `split.csv`, ids that only one of the files has.
 * Warnings are findings without a region or without negatives, and summaries that are not one sentence of 10 to 15 words.
 *
 * @param folder as `medRegion`.
 * @throws {DataError} only if there is no `records.jsonl`, or a table that cannot be read.
 * @example
 * const folder = `${await (await import('node:fs/promises')).mkdtemp('medregion-')}/set`;
 * await writeMedRegion(folder, phantomMedRegion({ patients: 2, imagesPerPatient: [1, 1] }).samples);
 * const { records, errors, warnings } = await validateMedRegion(folder);
 * [records, errors, warnings]; // [2, 0, 0]
 */
export async function validateMedRegion(folder: string): Promise<MedRegionReport> {
  const problems: MedRegionProblem[] = [];
  const patients = new Set<string>();
  const modalities: Record<string, number> = {};
  let [records, valid, normal, regions] = [0, 0, 0, 0];
  for await (const { line, record, problems: found } of checkedRecords(folder, { decode: true })) {
    problems.push(...found);
    if (line > 0) records++;
    if (!record || found.some(({ level }) => level === 'error')) continue;
    valid++;
    patients.add(record.patient_id);
    modalities[record.modality] = (modalities[record.modality] ?? 0) + 1;
    regions += record.rois?.length ?? 0;
    if (isNoFinding(record.region_caption)) normal++;
  }
  const byKind: MedRegionReport['byKind'] = {};
  for (const { kind } of problems) byKind[kind] = (byKind[kind] ?? 0) + 1;
  const errors = problems.filter(({ level }) => level === 'error').length;
  const summary = { records, valid, errors, warnings: problems.length - errors, byKind };
  return { ...summary, problems, patients: patients.size, normal, regions, modalities };
}
