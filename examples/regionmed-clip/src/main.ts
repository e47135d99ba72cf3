import { fileURLToPath } from 'node:url';
import { ConfigError, chooseSettings, configOfRun, configText, loadConfig, runMain, seedList } from '@medalign/trainer';
import { Command } from 'commander';
import { configSchema, evaluationTasks, parts } from './config';
import type { EvaluationOptions } from './evaluation';
import { settings } from './settings';
import type { VqaOptions } from './vqa';

const here = fileURLToPath(new URL('..', import.meta.url));

const program = new Command('npm run regionmed --')
  .description('Train and evaluate RegionMed-CLIP (regions, hard negatives, four stages).')
  .option('--config <file>', 'YAML configuration (default: the embedded phantom, configs/phantom.yaml)')
  .option('--set <a.b=value...>', 'override one setting; may be given several times')
  .option('--data <path>', 'folder of a MedRegion set (data.path; data.kind is then medregion)')
  .option('--backend <name>', "engine: 'auto', 'torch', 'cuda', 'tensorflow', 'wasm', 'cpu'", 'auto')
  .option('--out <folder>', 'run folder (default: runs/regionmed-<time>)')
  .option('--resume <folder>', 'go on with an interrupted run from its last checkpoint, with its own configuration')
  .option('--overwrite', 'delete what an earlier run left in --out')
  .option('--ablate', 'train the stages, a global-only baseline and one component at a time over several seeds')
  .option('--seeds <list>', 'seeds of --ablate', '0,1,2')
  .option('--settings <list>', 'only these settings or tables of --ablate, separated by ;')
  .option('--smoke', 'a step of every stage on a little data: does everything run?')
  .option('--json', 'print one JSON object with the results on stdout')
  .option('--print-config', 'check the options and settings, print the resolved configuration, and stop')
  .addHelpText(
    'after',
    '\nExit codes: 0 fine, 1 internal, 2 usage or configuration, 3 data, 4 engine, 5 non-finite loss, 130/143 signals.',
  )
  .exitOverride()
  .configureOutput({ outputError: () => {} }) // runMain says it
  .enablePositionalOptions() // evaluate has options of the same names
  .action(() => {});

let evaluation: EvaluationOptions | undefined;
program
  .command('evaluate')
  .description('Read a trained model on unseen patients, or on another data set, and print its numbers.')
  .requiredOption('--checkpoint <path>', 'run folder, checkpoint folder or .safetensors file')
  .option(
    '--task <name>',
    `${evaluationTasks.join(', ')} (default: ${evaluationTasks[0]}, the numbers of a training run)`,
  )
  .option('--shots <list>', 'few-shot: examples of each class (default: 1,5)')
  .option('--seeds <n>', 'few-shot: draws of the examples, 5 or more (default: 5)')
  .option('--data <path>', 'another MedRegion folder than the one trained on (read whole)')
  .option('--split <part>', `${parts.join(', ')} (default: test; another set is read whole)`)
  .option('--allow-training-patients', 'read images of patients that the model was trained on; the result says so')
  .option('--set <a.b=value...>', "override a setting of the checkpoint's configuration")
  .option('--out <folder>', 'where result.json goes (default: runs/regionmed-evaluate-<time>)')
  .option('--overwrite', 'write over the result in --out')
  .option('--backend <name>', "engine: 'auto', 'torch', 'cuda', 'tensorflow', 'wasm', 'cpu'", 'auto')
  .option('--json', 'print one JSON object with the numbers on stdout')
  .action(({ checkpoint, data, split, allowTrainingPatients, set, out, overwrite, backend, json, ...of }) => {
    if (split !== undefined && !parts.includes(split))
      throw new ConfigError(`--split: expected one of ${parts.join(', ')}, got '${split}'`);
    const flags = { allowTrained: Boolean(allowTrainingPatients), overwrite: Boolean(overwrite), json: Boolean(json) };
    evaluation = { checkpoint, path: data, part: split, sets: set ?? [], out, backend, ...flags, ...taskOf(of) };
  });

/** `--task` and the options that belong to one of them. */
function taskOf({ task = evaluationTasks[0], shots, seeds }: Partial<Record<'task' | 'shots' | 'seeds', string>>) {
  if (!evaluationTasks.some((name) => name === task))
    throw new ConfigError(`--task: expected one of ${evaluationTasks.join(', ')}, got '${task}'`);
  for (const [option, value] of Object.entries({ shots, seeds }))
    if (value !== undefined && task !== 'few-shot')
      throw new ConfigError(`--${option}: belongs to --task few-shot, got --task ${task}`);
  const counts = shots?.split(',').map(Number);
  if (counts && !(counts.every((k) => Number.isInteger(k) && k > 0) && new Set(counts).size === counts.length))
    throw new ConfigError(`--shots: expected different whole numbers above 0 such as 1,5, got '${shots}'`);
  if (seeds !== undefined && !(Number.isInteger(Number(seeds)) && Number(seeds) >= 5))
    throw new ConfigError(`--seeds: expected a whole number, 5 or more, got '${seeds}'. Fix: one draw is no result`);
  const sorted = counts?.sort((a, b) => a - b);
  return {
    task: task as (typeof evaluationTasks)[number],
    shots: sorted,
    ...(seeds !== undefined && { seeds: Number(seeds) }),
  };
}

let asking: (Omit<VqaOptions, 'signal'> & { printConfig: boolean }) | undefined;
program
  .command('vqa')
  .description(
    'Visual question answering: train an answer head with the encoders on VQA-RAD or SLAKE, and print its accuracies.',
  )
  .option('--config <file>', 'YAML configuration (default: configs/vqa-rad.yaml)')
  .option('--set <a.b=value...>', 'override one setting; may be given several times')
  .option('--data <path>', 'folder of the data set (data.path)')
  .option('--checkpoint <path>', 'a RegionMed-CLIP run to start the encoders from (default: random values)')
  .option('--backend <name>', "engine: 'auto', 'torch', 'cuda', 'tensorflow', 'wasm', 'cpu'", 'auto')
  .option('--out <folder>', 'run folder (default: runs/regionmed-vqa-<time>)')
  .option('--resume <folder>', 'go on with an interrupted run from its last checkpoint, with its own configuration')
  .option('--overwrite', 'delete what an earlier run left in --out')
  .option('--smoke', 'two steps on a few images: does everything run?')
  .option('--json', 'print one JSON object with the results on stdout')
  .option('--print-config', 'check the options and settings, print the resolved configuration, and stop')
  .action(({ config, set, data, checkpoint, backend, out, resume, overwrite, smoke, json, printConfig }) => {
    if (resume && checkpoint)
      throw new ConfigError('--checkpoint: a run that is resumed has its own start. Fix: leave it out');
    const sets = [...(smoke ? vqaSmoke : []), ...(data ? [`data.path=${JSON.stringify(data)}`] : []), ...(set ?? [])];
    const file = config ?? (resume ? configOfRun(resume) : `${here}configs/vqa-rad.yaml`);
    const flags = { overwrite: Boolean(overwrite), json: Boolean(json), printConfig: Boolean(printConfig) };
    asking = { file, checkpoint, sets, backend, out, resume, ...flags };
  });

/** Settings of `vqa --smoke`. */
const vqaSmoke = [
  'data.limit=12',
  'train.maxSteps=2',
  'train.batchSize=4',
  'evaluate.bootstrap=50',
  'evaluate.pictures=2',
];

/** Settings of `--smoke`: a step of every stage on few patients. */
const smoke = [
  'data.patients=60',
  'train.maxStepsPerStage=1',
  'evaluate.bootstrap=50',
  'evaluate.pictures=2',
  'evaluate.stages=false',
];

await runMain(async (signal) => {
  program.parse();
  if (evaluation) {
    const { evaluate } = await import('./evaluation');
    await evaluate(evaluation);
    return;
  }
  if (asking) {
    const { printVqaConfig, vqa } = await import('./vqa');
    if (asking.printConfig) await printVqaConfig(asking);
    else await vqa({ ...asking, signal });
    return;
  }
  const options = program.opts();
  if (program.args.length) throw new ConfigError(`unexpected argument '${program.args[0]}': --help lists the options`);
  const sets = [
    ...(options.smoke ? smoke : []),
    ...(options.data ? ['data.kind=medregion', `data.path=${JSON.stringify(options.data)}`] : []),
    ...(options.set ?? []),
  ];
  const config = loadConfig({
    file: options.config ?? (options.resume ? configOfRun(options.resume) : `${here}configs/phantom.yaml`),
    sets,
    schema: configSchema,
  });
  const several = {
    seeds: seedList(options.seeds),
    settings: chooseSettings(options.smoke && !options.settings ? settings.slice(0, 2) : settings, options.settings),
  };
  if (options.printConfig) {
    process.stdout.write(configText(config));
    return;
  }
  const overwrite = Boolean(options.overwrite);
  const common = { config, backend: options.backend, out: options.out, json: Boolean(options.json), signal, overwrite };
  if (options.ablate) {
    const { ablate } = await import('./ablate');
    await ablate({ ...common, ...several });
  } else {
    const { run } = await import('./run');
    await run({ ...common, resume: options.resume });
  }
});
