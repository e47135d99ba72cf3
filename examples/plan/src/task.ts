import { DataError, type Sample } from '@medalign/datasets';
import type { Alignment } from './config';
import type { EvaluationData } from './evaluation-data';
import type { Reader } from './features';
import type { GallerySet, GalleryTexts } from './gallery';
import type { MapKind } from './maps';

/** What every evaluation is given. */
export interface Task extends Reader {
  alignment: Alignment;
  data: EvaluationData;
  /** Maps to read, in the order of the tables. */
  kinds: readonly MapKind[];
  seed: number;
  /** Bootstrap resamples. */
  resamples: number;
  /** Images that a head is trained on, at most. */
  trainImages: number;
  options: {
    /** File of prompts. */
    prompts?: string | undefined;
    /** Images of each class in a retrieval gallery. */
    perClass?: number | undefined;
    /** What images are to find. */
    gallery?: GalleryTexts | undefined;
    /** Another data set that the texts of the gallery are from. */
    galleryFrom?: GallerySet | undefined;
    /** Finding to detect, and the phrase that stands for it. */
    category?: string | undefined;
    phrase?: string | undefined;
  };
}

/** What the tables are about, in a few words. */
export function setting({ data }: Pick<Task, 'data'>): string {
  const { dataset, samples, part, leaked } = data;
  const which = part === 'all' ? 'all of its images' : `its ${part} part`;
  const warning = leaked.images > 0 ? `; NOT A RESULT: ${leaked.images} images are of training patients` : '';
  return `${dataset.name}, ${which}, ${samples.length} images${warning}`;
}

/** The task needs what the data set does not have. */
export function cannotServe(task: string, { kind, dataset }: EvaluationData, lacks: string, others: string): DataError {
  return new DataError(`--task ${task}: ${dataset.name} (--kind ${kind}) ${lacks}. Fix: one of ${others}`);
}

export const withFindings = (samples: readonly Sample[]) => samples.filter(({ findings = [] }) => findings.length > 0);

/** Whether a text has anything to encode. */
export const hasWord = (text: string) => /[\p{L}\p{N}]/u.test(text);
