import { DataError, randomStream, type Sample } from '@medalign/datasets';
import { promptEnsemble } from '@medalign/eval-metrics';
import { readDataset, trainingPatients } from './datasets';
import { onlyClass, type PromptSet } from './prompts';
import { type ClassText, exclusiveSentences } from './sentences';
import { cannotServe, type Task } from './task';

/** What images may be asked to find. */
export const galleryTexts = ['reports', 'sentences', 'prompts'] as const;
export type GalleryTexts = (typeof galleryTexts)[number];

/** The data sets that texts can be taken from, for images of another one. */
export const galleryKinds = ['mimic-5x200', 'mimic-cxr-jpg', 'covid-chestxray', 'pairs'] as const;

/** Another data set, whose texts images are to find. */
export interface GallerySet {
  kind: (typeof galleryKinds)[number];
  path: string;
  /** Folder of the MIMIC-CXR reports, if not that of the images. */
  reports?: string | undefined;
}

/** The texts that images are to find. */
export interface Gallery {
  texts: GalleryTexts;
  candidates: ClassText[];
  /** What they are, for captions. */
  what: string;
  notes: string[];
  /** Where they are from, for result.json. */
  source: Record<string, unknown>;
}

/** Images, and the only class of each. */
export interface Queries {
  samples: readonly Sample[];
  classes: readonly number[];
}

/**
 * The gallery for some images: their own reports or those of another data set, the sentences of either that are of one
 * class alone, or the prompts of the classes. Always as many texts of each class, but for prompts.
 *
 * @throws {DataError} if a class of the images has no text; {ConfigError} and {DataError} of the reader.
 */
export async function galleryOf(task: Task, set: PromptSet, queries: Queries): Promise<Gallery> {
  const { data, options, seed } = task;
  const names = Object.keys(set.classes);
  const present = [...new Set(queries.classes)].sort((a, b) => a - b);
  const spoken = (samples: readonly Sample[]) => samples.filter(({ text }) => text.trim() !== '').length;
  const allSpoken = spoken(queries.samples) === queries.samples.length;
  const texts = options.gallery ?? (options.galleryFrom || allSpoken ? 'reports' : 'prompts');
  if (texts === 'prompts') return promptsOf(task, set, present);
  if (!options.galleryFrom && spoken(queries.samples) === 0) {
    const others = '--gallery-data <folder of MIMIC-CXR-JPG>, whose texts they then find, or --gallery prompts';
    throw cannotServe('retrieval', data, 'has no reports of its own for a gallery', others);
  }

  const { reports, of, where, ...rest } = options.galleryFrom
    ? await reportsOf(task, set, options.galleryFrom)
    : {
        reports: textsOf(queries),
        of: 'the same images',
        where: data.dataset.name,
        notes: [],
        source: { name: data.dataset.name },
      };
  const given = reports.filter((one) => present.includes(one.class));
  const found = texts === 'sentences' ? exclusiveSentences(given, Object.values(set.classes)) : given;
  const counts = present.map((c) => found.filter((one) => one.class === c).length);
  if (counts.includes(0)) {
    const each = present.map((c, i) => `${names[c]} ${counts[i]}`).join(', ');
    const lacks = texts === 'sentences' ? 'sentence that names it and no other class' : 'report of it alone';
    const fix =
      texts === 'sentences' ? '--gallery reports, or `mentions` of the class in --prompts' : '--gallery prompts';
    throw new DataError(
      `--gallery ${texts}: ${where}: ${names[present[counts.indexOf(0)]!]} has no ${lacks} (${each}). Fix: more texts, ${fix}`,
    );
  }

  const candidates = balanced(found, present, seed);
  const size = candidates.length;
  const different = new Set(candidates.map(({ text }) => text)).size;
  const what =
    texts === 'sentences'
      ? `${size} different sentences of ${given.length} reports of ${of}, ${size / present.length} of each class: they name the class of their report, deny nothing, and name no other class`
      : options.galleryFrom
        ? `${size} reports of ${of}, ${size / present.length} of each class alone, ${different} of them different`
        : `the ${size} reports of ${of}, ${different} of them different; an image's own report is among them`;
  return { texts, candidates, what, ...rest };
}

const textsOf = ({ samples, classes }: Queries): ClassText[] =>
  samples.flatMap(({ text }, i) => (text.trim() === '' ? [] : [{ text, class: classes[i]! }]));

/** The reports of another data set, without those of patients that the model was trained on. */
async function reportsOf({ data, options }: Task, set: PromptSet, { kind, path, reports }: GallerySet) {
  const { trainingIds, allowTrained } = data;
  const read = { reports, labels: true, perClass: options.perClass, ...(!allowTrained && { leaveOut: trainingIds }) };
  const dataset = await readDataset(kind, path, read).catch((error) => {
    throw error instanceof DataError ? new DataError(`--gallery-data: ${error.message}`, { cause: error }) : error;
  });
  const { name, samples, notes, counts } = dataset;
  for (const note of notes) process.stderr.write(`  gallery: ${note}\n`);
  const known = trainingPatients(dataset, trainingIds);
  const trained = samples.filter(({ patientId }) => known.has(patientId)).length;
  const classes = samples.map((sample) => onlyClass(sample, set, kind));
  const warning = `NOT A RESULT: ${trained} of them are of patients that the model was trained on`;
  return {
    reports: textsOf({ samples, classes }).filter((one) => one.class >= 0),
    of: `${name}${trained ? ` (${warning})` : ''}`,
    where: `${name} (--gallery-data ${path})`,
    notes: trained ? [`Texts of the gallery: ${warning}.`] : [],
    source: { kind, name, options: dataset.options ?? null, counts },
  };
}

/** The same number of each class, drawn with a seed, in the order they were found. */
function balanced(texts: readonly ClassText[], present: readonly number[], seed: number): ClassText[] {
  const of = present.map((c) => texts.filter((one) => one.class === c));
  const least = Math.min(...of.map(({ length }) => length));
  return of.flatMap((own, i) => {
    const chosen = new Set(randomStream(seed, 'gallery', present[i]!).shuffle(own).slice(0, least));
    return own.filter((one) => chosen.has(one));
  });
}

function promptsOf({ data, options }: Task, set: PromptSet, present: readonly number[]): Gallery {
  const names = Object.keys(set.classes);
  const classes = Object.fromEntries(present.map((c) => [names[c]!, set.classes[names[c]!]!.prompts]));
  const { texts, promptClasses } = promptEnsemble(classes, set);
  const candidates = texts.map((text, i) => ({ text, class: present[promptClasses[i]!]! }));
  const each = present.map((c) => `${names[c]} ${candidates.filter((one) => one.class === c).length}`).join(', ');
  const why = options.gallery === 'prompts' ? '--gallery prompts' : 'not every image has a report';
  const silent = data.samples.every(({ text }) => text.trim() === '');
  const what = `${texts.length} prompts of the classes, ${each} (${silent ? 'the set has no reports' : why})`;
  return { texts: 'prompts', candidates, what, notes: [], source: {} };
}
