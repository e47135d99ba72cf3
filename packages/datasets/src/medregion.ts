import { join } from 'node:path';
import { isNoFinding, noFinding } from './clean-text';
import { descriptorVocabulary } from './descriptor-vocabulary';
import { type HardNegativeOptions, hardNegatives } from './hard-negatives';
import { type CheckedRecord, checkedRecords } from './medregion-check';
import type { MedRegionDataset, MedRegionProblem, MedRegionSample } from './medregion-types';
import { dropCounter, requireRows } from './table';
import { DataError } from './types';

/** Which of the texts is `Sample.text`. */
export type MedRegionText = 'report' | 'summary' | 'region';

/** Options of {@link medRegion}. */
export interface MedRegionOptions {
  text?: MedRegionText;
  /** How to make negative captions for records that have none; false leaves them without. */
  negatives?: HardNegativeOptions | false;
  /** Decode every image while reading, to find broken ones now; without it, `batches` finds them. */
  decode?: boolean;
}

function sampleOf(folder: string, { record, split }: CheckedRecord, text: MedRegionText): MedRegionSample {
  const { summary_caption, region_caption, negative_captions = [], rois = [], mask, labels, meta, ...rest } = record!;
  const { id, patient_id, image, modality, report, ...more } = rest;
  const normal = isNoFinding(region_caption);
  const texts = normal
    ? { summary: noFinding, report: noFinding, region: noFinding }
    : { summary: summary_caption, report, region: region_caption };
  const others = { ...meta, ...more };
  return {
    id,
    patientId: patient_id,
    image: { kind: 'file', path: join(folder, image) },
    text: texts[text],
    modality,
    summaryCaption: texts.summary,
    report: texts.report,
    regionCaption: texts.region,
    negativeCaptions: normal ? [] : negative_captions,
    rois,
    ...(mask !== undefined && { mask: { kind: 'file' as const, path: join(folder, mask) } }),
    ...(labels && { labels }),
    ...(split && { split }),
    ...(Object.keys(others).length > 0 && { meta: others }),
  };
}

/**
 * A set in the MedRegion format: a folder with `records.jsonl`, the images it names and, if you like, `split.csv`.
 *
 * Each line is a record as `schema/medregion.schema.json` of this package says: `id`, `patient_id`, `image`, `modality`,
 * `summary_caption`, `report`, `region_caption`, `negative_captions` (five, or none), `rois` with boxes in **pixels** of the
 * stored image, a `source` and a `score`; and `mask`, `labels`, `meta`. "No Finding" in all texts is a normal image.
 * `split.csv` has the columns `id,split` (train, validation, test); `givenSplit` uses it. Without it, `splitByPatient`
 * makes the 80/10/10 split of RegionMed-CLIP.
 *
 * Nothing is dropped in silence: `problems` lists every problem by line and id, and `counts.dropped` counts records left
 * out by their first error. Warnings keep a record: no region (the loss masks it, `proposeRois` can give it some), a
 * summary of another length, no negatives (five are generated then, by `hardNegatives`).
 *
 * @param options `text` report, `negatives` `{ count: 5, seed: 0 }`, `decode` false.
 * @throws {DataError} if the folder has no `records.jsonl`, or no record is left.
 * @example
 * const folder = `${await (await import('node:fs/promises')).mkdtemp('medregion-')}/set`;
 * await writeMedRegion(folder, phantomMedRegion({ patients: 3 }).samples);
 * const { samples, problems } = await medRegion(folder);
 * problems.length; // 0
 * samples[0].modality; // "abdominal"
 */
export async function medRegion(folder: string, options: MedRegionOptions = {}): Promise<MedRegionDataset> {
  const { text = 'report', negatives = {}, decode = false } = options;
  if (!['report', 'summary', 'region'].includes(text)) {
    throw new DataError(`medRegion: text: expected report, summary or region, got '${text}'`);
  }
  const { dropped, drop } = dropCounter();
  const problems: MedRegionProblem[] = [];
  const samples: MedRegionSample[] = [];
  let rows = 0;
  let generated = 0;
  for await (const checked of checkedRecords(folder, { decode })) {
    problems.push(...checked.problems);
    if (checked.line === 0) continue;
    rows++;
    const error = checked.problems.find(({ level }) => level === 'error');
    if (error) {
      drop(error.kind);
      continue;
    }
    const sample = sampleOf(folder, checked, text);
    if (negatives && sample.negativeCaptions.length === 0) {
      sample.negativeCaptions = hardNegatives(sample.regionCaption, negatives);
      if (sample.negativeCaptions.length > 0) generated++;
    }
    samples.push(sample);
  }
  requireRows(
    join(folder, 'records.jsonl'),
    rows,
    samples.length,
    dropped,
    '`npx medalign-datasets validate` lists why',
  );
  const { count = 5, seed = 0, vocabulary = descriptorVocabulary, attributes } = negatives || {};
  const made = {
    count,
    seed,
    ...(attributes && { attributes }),
    ...(vocabulary !== descriptorVocabulary && { vocabulary }),
  };
  const warned = problems.filter(({ level }) => level === 'warning').length;
  return {
    name: 'medregion',
    samples,
    counts: { rows, kept: samples.length, dropped },
    notes: [
      ...(generated ? [`${generated} records had no negative captions: they were generated (seed ${seed}).`] : []),
      ...(problems.length ? [`${problems.length} problems, ${warned} of them warnings: see \`problems\`.`] : []),
    ],
    options: { text, negatives: generated ? made : 'given' },
    problems,
  };
}
