import type { Dataset, ImageSource, Roi, Sample } from './types';

/**
 * The twelve modalities of MedRegion.
 *
 * @example
 * medRegionModalities.length; // 12
 */
export const medRegionModalities = [
  'abdominal',
  'bone and joint',
  'breast',
  'cardiac',
  'chest',
  'cranial',
  'dental',
  'dermatological',
  'endoscopy',
  'fundus',
  'gynaecological',
  'pathology slide',
] as const;
/** One of the names in {@link medRegionModalities}. */
export type MedRegionModality = (typeof medRegionModalities)[number];

/** An image with RegionMed-CLIP's four kinds of text and its regions. All texts of a normal image are "No Finding". */
export interface MedRegionSample extends Sample {
  modality: MedRegionModality;
  /** One sentence of 10 to 15 words. */
  summaryCaption: string;
  report: string;
  /** Descriptor, pathology and position: "There is a round nodule located in the upper left of the image". */
  regionCaption: string;
  /** The region caption with its descriptors made wrong: five, or none. */
  negativeCaptions: string[];
  rois: Roi[];
  /** `[height, width]` of the image, not 0 = inside a region. */
  mask?: ImageSource;
}

/** What can be wrong with a MedRegion record: reasons for leaving it out, then what is only worth knowing. */
export type MedRegionProblemKind =
  | 'not JSON'
  | 'not in the schema'
  | 'caption missing'
  | 'No Finding mixed'
  | 'wrong number of negatives'
  | 'negative equals truth'
  | 'negatives repeat'
  | 'box without area'
  | 'box outside the image'
  | 'id already used'
  | 'image missing'
  | 'image unreadable'
  | 'mask unusable'
  | 'not in the split'
  | 'patient in two parts'
  | MedRegionWarningKind;
/** What a record may have and still be kept. */
export type MedRegionWarningKind = 'no region' | 'no negatives' | 'summary not a sentence of 10 to 15 words';

/** One thing wrong with one record. */
export interface MedRegionProblem {
  /** A record with an error is left out, one with warnings alone is kept. */
  level: 'error' | 'warning';
  kind: MedRegionProblemKind;
  /** `records.jsonl` or `split.csv`. */
  file: string;
  /** Counted from 1. */
  line: number;
  id?: string;
  /** What was expected, what came. */
  message: string;
}

/** MedRegion samples, and every problem by line and id. */
export interface MedRegionDataset extends Dataset {
  samples: MedRegionSample[];
  problems: MedRegionProblem[];
}
