// Side by side with PyTorch in one run: npm run bench -- --json
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { cases } from './cases';
import { Column } from './column';
import { environment } from './environment';
import { benchLoader } from './loader';
import { type Case, measureMemory, measureTime, type Result, WARM_UP } from './measure';
import { modelCases } from './model-cases';

const USAGE = `Usage: npm run bench -- [ops|models|loader] [options]

Times every case on our engine and in PyTorch, in turns, and prints medians and their ratio (ours / PyTorch).

  ops     kernels, losses, optimisers and the step of npm run plan; the default
  models  training steps of ResNet-50, BERT-base, ViT-B/16 and PLAN as in the paper: time and peak memory
  loader  images decoded and brought to a model's size by batches(), by sharp alone and by Pillow, on this processor;
          no engine is needed, --backend and --engines mean nothing there

  --backend torch     the engine compared with PyTorch
  --engines wasm,cpu  engines that get a column too; none by default
  --python python3    the Python that has PyTorch (loader: Pillow)
  --rounds 15         measurements of each; fewer where one takes seconds
  --filter text       only cases with this in their name; may be given several times
  --json              the results as JSON on stdout
  --out file          the same into a file
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    out: { type: 'string' },
    backend: { type: 'string', default: 'torch' },
    engines: { type: 'string', default: '' },
    python: { type: 'string', default: 'python3' },
    rounds: { type: 'string', default: '15' },
    filter: { type: 'string', multiple: true, default: [''] },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

async function main(): Promise<void> {
  if (values.help) return void process.stdout.write(USAGE);
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds: expected a whole number, got ${values.rounds}`);
  const [group = 'ops', ...more] = positionals;
  if (!['ops', 'models', 'loader'].includes(group) || more.length > 0)
    throw new Error(`expected one of ops, models, loader, got '${positionals.join(' ')}'`);
  if (group === 'loader') return write(await benchLoader({ python: values.python, rounds, filter: values.filter }));
  const all: Case[] = group === 'ops' ? cases : modelCases;
  const chosen = all.filter(({ name }) => values.filter.some((text) => name.includes(text)));
  if (chosen.length === 0) throw new Error(`--filter: no case has '${values.filter.join("' or '")}' in its name`);

  const ours = await Column.ours(values.backend);
  const pytorch = await Column.pytorch(values.python, ours.versions.device);
  const [mine, theirs] = [ours, pytorch].map(({ versions }) => versions.version.split('+')[0]);
  const sameLibtorch = ours.name === 'torch' && mine === theirs;
  if (ours.name === 'torch' && !sameLibtorch) {
    process.stderr.write(
      `WARNING: the engine runs on libtorch ${mine}, PyTorch is ${theirs}: ratios compare two versions of the kernels. Fix: npm run engine with ${values.python} first in PATH\n`,
    );
  }
  const others: Column[] = [];
  for (const name of values.engines.split(',').filter(Boolean)) others.push(await Column.ours(name));
  const results: Result[] = [];
  for (const { name, memory } of chosen) {
    results.push(print(await measureTime(name, { ours, pytorch, others, rounds })));
    if (!memory) continue;
    for (const column of [ours, pytorch]) await column.prepare(WARM_UP); // so that three models are not there at once
    const fresh = {
      ours: () => Column.ours(values.backend),
      pytorch: () => Column.pytorch(values.python, ours.versions.device),
    };
    results.push(print(await measureMemory(name, fresh)));
  }
  for (const column of [ours, pytorch, ...others]) column.stop();

  const versions = Object.fromEntries([ours, pytorch, ...others].map((column) => [column.name, column.versions]));
  write({ ...environment(versions), sameLibtorch, results });
}

function write(report: object): void {
  const text = `${JSON.stringify(report, null, 1)}\n`;
  if (values.out) writeFileSync(values.out, text);
  if (values.json) process.stdout.write(text);
}

function print(result: Result): Result {
  const { name, unit, ours, pytorch, ratio, others } = result;
  const rest = Object.entries(others ?? {}).map(([engine, value]) => `   ${engine} ${value}`);
  process.stderr.write(`${name.padEnd(62)} ${ours} ${unit}   PyTorch ${pytorch}   ratio ${ratio}${rest.join('')}\n`);
  return result;
}

await main();
