import { readFileSync } from 'node:fs';
import { type Dataset, type fiveClasses, phantomCategories, type Sample } from '@medalign/datasets';
import { ConfigError } from '@medalign/trainer';
import { parse } from 'yaml';
import { z } from 'zod';
import type { DataKind } from './datasets';
import { hasWord } from './task';

/** How a class is told from the labels of a data set, and how it is written. */
export interface PromptClass {
  /** Name of the label, and the value of it that makes an image one of this class. */
  label: string;
  value: 0 | 1;
  /** What goes into the templates. */
  prompts: readonly string[];
  /** Beginnings of words that name it in a report; by default the prompts. */
  mentions?: readonly string[];
}

/** The classes of an evaluation. */
export interface PromptSet {
  /** Whether an image is of one class only. */
  exclusive: boolean;
  /** `{}` is where a prompt goes. */
  templates: readonly string[];
  classes: Readonly<Record<string, PromptClass>>;
}

/** What reports call the findings of CheXpert and of the phantom. */
const mentions: Record<string, readonly string[]> = {
  Atelectasis: ['atelecta'],
  Cardiomegaly: [
    'cardiomegal',
    'heart',
    'cardiac silhouette',
    'cardiac contour',
    'cardiac enlargement',
    'cardiac size',
  ],
  Consolidation: ['consolidat'],
  Edema: ['edema', 'vascular congestion'],
  'Lung Opacity': ['opacit'],
  'Pleural Effusion': ['effusion', 'pleural fluid'],
  Pneumonia: ['pneumoni'],
  Pneumothorax: ['pneumothora'],
};
const present = (label: string, ...prompts: string[]): PromptClass => ({
  label,
  value: 1,
  prompts,
  ...(mentions[label] && { mentions: mentions[label] }),
});
const absent = (label: string, ...prompts: string[]): PromptClass => ({ label, value: 0, prompts });

const findings: Record<(typeof fiveClasses)[number], PromptClass> = {
  Atelectasis: present('Atelectasis', 'atelectasis', 'bibasilar atelectasis', 'linear atelectasis'),
  Cardiomegaly: present('Cardiomegaly', 'cardiomegaly', 'enlarged heart', 'enlarged cardiac silhouette'),
  Consolidation: present('Consolidation', 'consolidation', 'focal consolidation', 'airspace consolidation'),
  Edema: present('Edema', 'edema', 'pulmonary edema', 'interstitial edema'),
  'Pleural Effusion': present('Pleural Effusion', 'pleural effusion', 'small pleural effusion', 'layering effusion'),
};
const sentences = ['{}', 'there is {}', '{} is seen'];

const defaults: Record<Exclude<DataKind, 'pairs'>, PromptSet> = {
  phantom: {
    exclusive: false,
    templates: sentences,
    classes: Object.fromEntries(phantomCategories.map((name) => [name, present(name, name.toLowerCase())])),
  },
  'mimic-cxr-jpg': { exclusive: false, templates: sentences, classes: findings },
  'ms-cxr': { exclusive: false, templates: sentences, classes: findings },
  'mimic-5x200': { exclusive: true, templates: sentences, classes: findings },
  'chexpert-5x200': { exclusive: true, templates: sentences, classes: findings },
  'rsna-pneumonia': {
    exclusive: true,
    templates: ['{}'],
    classes: {
      Pneumonia: present('Pneumonia', 'pneumonia', 'lung opacity', 'consolidation suspicious for pneumonia'),
      Normal: absent('Pneumonia', 'no pneumonia', 'clear lungs', 'no acute cardiopulmonary process'),
    },
  },
  'covid-chestxray': {
    exclusive: true,
    templates: ['{}'],
    classes: {
      'COVID-19': present('COVID-19', 'covid-19 pneumonia', 'bilateral ground-glass opacities'),
      other: absent('COVID-19', 'bacterial pneumonia', 'lobar consolidation', 'no covid-19'),
    },
  },
  // The paper's COVID set is binary: COVID-19 and normal.
  'covid19-radiography': {
    exclusive: true,
    templates: ['{}'],
    classes: {
      COVID: present('COVID', 'covid-19 pneumonia', 'bilateral ground-glass opacities'),
      Normal: present('Normal', 'normal chest radiograph', 'clear lungs', 'no acute cardiopulmonary process'),
    },
  },
};

const text = z.string().refine(hasWord, { message: 'expected texts with a word each' });
const fileSchema = z.strictObject({
  exclusive: z.boolean().default(true),
  templates: z
    .array(z.string().includes('{}', { message: "expected '{}' where a prompt goes" }))
    .min(1)
    .default(['{}']),
  classes: z
    .record(
      z.string(),
      z
        .strictObject({
          label: z.string().optional(),
          not: z.string().optional(),
          prompts: z.array(text).min(1),
          mentions: z.array(text).min(1).optional(),
        })
        .refine(({ label, not }) => label === undefined || not === undefined, {
          message: 'expected `label` or `not`, got both',
        }),
    )
    .refine((classes) => Object.keys(classes).length > 1, { message: 'expected two classes or more' }),
});

/** The prompts of a file, or the built-in ones of a data set; `pairs` is written by the names of its labels. */
export function promptSet(kind: DataKind, dataset: Dataset, file?: string): PromptSet {
  const set = file === undefined ? (kind === 'pairs' ? ofLabels(dataset) : defaults[kind]) : fromFile(file);
  const known = new Set(dataset.samples.flatMap(({ labels = {} }) => Object.keys(labels)));
  const unknown = Object.values(set.classes).find(({ label }) => !known.has(label));
  // A label of a built-in set that occurs nowhere is for the caller to notice: the class is empty.
  if (file !== undefined && unknown) {
    throw new ConfigError(
      `--prompts ${file}: no label '${unknown.label}' in ${dataset.name}; it has ${[...known].sort().join(', ') || 'no labels'}`,
    );
  }
  return set;
}

function fromFile(file: string): PromptSet {
  let value: unknown;
  try {
    value = parse(readFileSync(file, 'utf8')); // JSON is YAML
  } catch (error) {
    throw new ConfigError(`--prompts ${file}: cannot be read: ${(error as Error).message}`, { cause: error });
  }
  const result = fileSchema.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw new ConfigError(`--prompts ${file}: ${issue!.path.join('.') || 'the file'}: ${issue!.message}`);
  }
  const { classes, ...rest } = result.data;
  return {
    ...rest,
    classes: Object.fromEntries(
      Object.entries(classes).map(([name, { label, not, ...texts }]) => [
        name,
        { label: not ?? label ?? name, value: not === undefined ? 1 : 0, ...texts },
      ]),
    ),
  };
}

function ofLabels({ samples }: Dataset): PromptSet {
  const names = [...new Set(samples.flatMap(({ labels = {} }) => Object.keys(labels)))].sort();
  const several = samples.some(({ labels = {} }) => Object.values(labels).filter((value) => value === 1).length > 1);
  return {
    exclusive: !several,
    templates: ['{}'],
    classes: Object.fromEntries(names.map((name) => [name, present(name, name)])),
  };
}

/** 1, 0, or NaN where the label is uncertain or missing. In `pairs` a list of names says that the others are absent. */
export function membership({ labels }: Sample, { label, value }: PromptClass, kind: DataKind): number {
  const found = labels?.[label] ?? (kind === 'pairs' && labels ? 0 : Number.NaN);
  return found === 0 || found === 1 ? Number(found === value) : Number.NaN;
}

/** The one class that an image is of; −1 if it is of none or of several. */
export function onlyClass(sample: Sample, { classes }: PromptSet, kind: DataKind): number {
  const of = Object.values(classes).flatMap((own, c) => (membership(sample, own, kind) === 1 ? [c] : []));
  return of.length === 1 ? of[0]! : -1;
}
