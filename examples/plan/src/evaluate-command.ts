import { ConfigError } from '@medalign/trainer';
import type { Command } from 'commander';
import { dataKinds } from './datasets';
import type { EvaluationOptions, TaskName } from './evaluation';
import { parts } from './evaluation-data';
import { type GallerySet, galleryKinds, galleryTexts } from './gallery';
import { mapKinds } from './maps';
import { hasWord } from './task';

/** The tasks, and which table of the paper each has the form of. */
const taskNames: Record<TaskName, string> = {
  grounding: 'Table II',
  retrieval: 'Table III',
  detection: 'Table IV',
  classification: 'Table V',
};

/** Options that mean something to some tasks only. */
const ofTasks: Record<string, TaskName[]> = {
  map: ['grounding', 'detection'],
  prompts: ['retrieval', 'classification'],
  gallery: ['retrieval'],
  'gallery-data': ['retrieval'],
  'gallery-kind': ['retrieval'],
  category: ['detection'],
  phrase: ['detection'],
  'train-images': ['detection', 'classification'],
};

/** Adds `evaluate` to the command line. */
export function addEvaluateCommand(program: Command, chosen: (options: EvaluationOptions) => void): void {
  const list = Object.entries(taskNames).map(([name, table]) => `${name} (${table})`);
  program
    .command('evaluate')
    .description("Read a trained model on one of PLAN's evaluations and print its tables.")
    .requiredOption('--task <name>', list.join(', '))
    .requiredOption('--checkpoint <path>', 'run folder, checkpoint folder or .safetensors file')
    .option('--kind <name>', `data set, by default the one trained on: ${dataKinds.join(', ')}`)
    .option('--data <path>', 'folder or file of the data set')
    .option('--images <folder>', 'MIMIC-CXR-JPG, which the boxes of ms-cxr lie on')
    .option('--reports <folder>', 'reports of MIMIC-CXR, if not in the folder of the images')
    .option('--split <part>', `${parts.join(', ')} (default: test; a foreign set without training is read whole)`)
    .option('--map <kind>', `${mapKinds.join(', ')} (default: all three)`)
    .option('--prompts <file>', 'YAML or JSON with templates and the prompts of each class')
    .option('--per-class <n>', 'images of each class: of a 5×200 draw, of a retrieval gallery')
    .option('--gallery <texts>', `retrieval: ${galleryTexts.join(', ')} (default: reports where there are any)`)
    .option('--gallery-data <path>', 'retrieval: another data set, whose texts images are to find')
    .option('--gallery-kind <name>', `which one it is: ${galleryKinds.join(', ')} (default: ${galleryKinds[0]})`)
    .option('--category <name>', 'detection: the finding to detect (default: the most common one)')
    .option('--phrase <text>', 'detection: the phrase that stands for it')
    .option('--train-images <n>', 'images that a head is trained on, at most (default: 1000)')
    .option('--allow-training-patients', 'read images of patients that the model was trained on; the tables say so')
    .option('--set <a.b=value...>', "override a setting of the checkpoint's configuration")
    .option('--out <folder>', 'where tables and pictures go (default: runs/plan-<task>-<time>)')
    .option('--overwrite', 'write over the result in --out')
    .option('--backend <name>', "engine: 'auto', 'torch', 'cuda', 'tensorflow', 'wasm', 'cpu'", 'auto')
    .option('--json', 'print one JSON object with the tables on stdout')
    .addHelpText(
      'after',
      '\nExit codes: 0 fine, 1 internal, 2 usage, configuration or images of training patients, 3 data or checkpoint, 4 engine, 130/143 signals.',
    )
    .action((options) => {
      const { checkpoint, kind, data, split, map, allowTrainingPatients, set, ...rest } = options;
      const task = oneOf('--task', options.task, Object.keys(taskNames) as TaskName[])!;
      for (const [option, tasks] of Object.entries(ofTasks)) {
        const given = options[option.replace(/-./g, (dash) => dash[1]!.toUpperCase())] !== undefined;
        if (given && !tasks.includes(task))
          throw new ConfigError(`--${option}: belongs to --task ${tasks.join(', ')}, got --task ${task}`);
      }
      chosen({
        task,
        checkpoint,
        kind: oneOf('--kind', kind, dataKinds),
        path: data,
        images: rest.images,
        reports: rest.reports,
        part: oneOf('--split', split, parts),
        map: oneOf('--map', map, mapKinds),
        sets: set ?? [],
        out: rest.out,
        overwrite: Boolean(rest.overwrite),
        backend: rest.backend,
        json: Boolean(rest.json),
        trainImages: whole('--train-images', rest.trainImages),
        allowTrained: Boolean(allowTrainingPatients),
        options: {
          prompts: rest.prompts,
          perClass: whole('--per-class', rest.perClass),
          gallery: oneOf('--gallery', rest.gallery, galleryTexts),
          galleryFrom: galleryFrom(rest),
          category: words('--category', rest.category),
          phrase: words('--phrase', rest.phrase),
        },
      });
    });
}

function galleryFrom(options: Record<string, string | undefined>): GallerySet | undefined {
  const { gallery, galleryData: path, galleryKind, reports } = options;
  const kind = oneOf('--gallery-kind', galleryKind, galleryKinds) ?? galleryKinds[0];
  if (path === undefined && galleryKind !== undefined)
    throw new ConfigError('--gallery-kind: expected the folder or file of the texts too. Fix: --gallery-data <path>');
  if (path !== undefined && gallery === 'prompts')
    throw new ConfigError('--gallery prompts: prompts are of no data set. Fix: leave out --gallery-data');
  return path === undefined ? undefined : { kind, path, reports };
}

function oneOf<T extends string>(option: string, value: string | undefined, allowed: readonly T[]): T | undefined {
  if (value === undefined || allowed.includes(value as T)) return value as T | undefined;
  throw new ConfigError(`${option}: expected one of ${allowed.join(', ')}, got '${value}'`);
}

function whole(option: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^[1-9]\d*$/.test(value)) return Number(value);
  throw new ConfigError(`${option}: expected a whole number above 0, got '${value}'`);
}

function words(option: string, value: string | undefined): string | undefined {
  if (value === undefined || hasWord(value)) return value;
  throw new ConfigError(`${option}: expected a word, got '${value}'`);
}
