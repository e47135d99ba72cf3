import { ConfigError } from '@medalign/trainer';
import type { Command } from 'commander';
import { dataKinds } from './datasets';
import type { EvaluationOptions, TaskName } from './evaluation';
import { parts } from './evaluation-data';
import { mapKinds } from './maps';

/** The tasks, and which table of the paper each has the form of. */
const taskNames: Record<TaskName, string> = {
  grounding: 'Table II',
  retrieval: 'Table III',
  detection: 'Table IV',
  classification: 'Table V',
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
    .option('--gallery <kind>', 'retrieval: reports or prompts (default: reports where there are any)')
    .option('--category <name>', 'detection: the finding to detect (default: the most common one)')
    .option('--phrase <text>', 'detection: the phrase that stands for it')
    .option('--train-images <n>', 'images that a head is trained on, at most', '1000')
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
      const { task, checkpoint, kind, data, split, map, gallery, allowTrainingPatients, set, ...rest } = options;
      chosen({
        task: oneOf('--task', task, Object.keys(taskNames) as TaskName[])!,
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
          gallery: oneOf('--gallery', gallery, ['reports', 'prompts'] as const),
          category: rest.category,
          phrase: rest.phrase,
        },
      });
    });
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
