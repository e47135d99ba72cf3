import { fileURLToPath } from 'node:url';
import { ConfigError, chooseSettings, configOfRun, configText, loadConfig, runMain, seedList } from '@medalign/trainer';
import { Command } from 'commander';
import { configSchema } from './config';
import { addEvaluateCommand } from './evaluate-command';
import type { EvaluationOptions } from './evaluation';
import { settings } from './settings';

const here = fileURLToPath(new URL('..', import.meta.url));

const program = new Command('npm run plan --')
  .description('Train and evaluate PLAN (progressive local alignment of medical images and reports).')
  .option('--config <file>', 'YAML configuration (default: the embedded phantom, configs/phantom.yaml)')
  .option('--set <a.b=value...>', 'override one setting; may be given several times')
  .option('--data <path>', 'folder or file of the data set (data.path)')
  .option('--backend <name>', "engine: 'auto', 'torch', 'cuda', 'tensorflow', 'wasm', 'cpu'", 'auto')
  .option('--out <folder>', 'run folder (default: runs/plan-<time>)')
  .option('--resume <folder>', 'go on with an interrupted run from its last checkpoint, with its own configuration')
  .option('--overwrite', 'delete what an earlier run left in --out')
  .option(
    '--ablate',
    'train and compare the loss settings, iterations, negatives and attention forms over several seeds',
  )
  .option('--seeds <list>', 'seeds of --ablate', '0,1,2')
  .option('--settings <list>', 'only these settings or tables of --ablate, separated by ;')
  .option('--smoke', 'a few steps on a little data: does everything run?')
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
addEvaluateCommand(program, (options) => {
  evaluation = options;
});

await runMain(async (signal) => {
  program.parse();
  if (evaluation) {
    const { evaluate } = await import('./evaluation');
    await evaluate({ ...evaluation, signal });
    return;
  }
  const options = program.opts();
  if (program.args.length) throw new ConfigError(`unexpected argument '${program.args[0]}': --help lists the options`);
  const smoke = options.smoke
    ? [
        'data.patients=24',
        'train.epochs=1',
        'train.maxSteps=2',
        'train.batchSize=8',
        'optimizer.warmup=0',
        'evaluate.bootstrap=50',
        'evaluate.pictures=2',
      ]
    : [];
  // a table is one of pairs; whatever else the file or --set says comes after
  const isTable = /\.(csv|tsv|jsonl|parquet)$/i.test(options.data ?? '') && !options.config && !options.resume;
  const sets = [
    ...smoke,
    ...(isTable ? ['data.kind=pairs'] : []),
    ...(options.set ?? []),
    ...(options.data ? [`data.path=${JSON.stringify(options.data)}`] : []),
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
  const common = { config, backend: options.backend, out: options.out, json: Boolean(options.json), signal };
  if (options.ablate) {
    const { ablate } = await import('./ablate');
    await ablate({ ...common, ...several, overwrite: Boolean(options.overwrite) });
  } else {
    const { run } = await import('./run');
    await run({ ...common, resume: options.resume, overwrite: Boolean(options.overwrite) });
  }
});
