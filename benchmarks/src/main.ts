// Side by side with PyTorch in one run: npm run bench -- --json
import { execFileSync } from 'node:child_process';
import os from 'node:os';
import { parseArgs } from 'node:util';
import { useBackend } from '@medalign/backend';
import * as tf from '@tensorflow/tfjs-core';
import { cases } from './cases';
import { PyTorch } from './pytorch';

const USAGE = `Usage: npm run bench -- [--json] [--backend torch] [--python python3] [--rounds 15] [--filter text]

Times every case on one of our engines and in PyTorch, in turns, and prints medians and their ratio (ours / PyTorch).
`;

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    backend: { type: 'string', default: 'torch' },
    python: { type: 'string', default: 'python3' },
    rounds: { type: 'string', default: '15' },
    filter: { type: 'string', default: '' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

interface Result {
  name: string;
  unit: 'ms';
  /** Medians over rounds of the time of one iteration. */
  ours: number;
  pytorch: number;
  ratio: number;
  iterations: number;
  rounds: number;
}

const median = (list: number[]) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!;
const digits = (value: number) => Number(value.toPrecision(4));

/** At least this long for one measurement, so that a clock's and a scheduler's grain do not show. */
const LEAST_SECONDS = 0.05;

function seconds(iteration: () => void, iterations: number): number {
  const start = performance.now();
  for (let i = 0; i < iterations; i++) iteration();
  return (performance.now() - start) / 1000;
}

async function compare({ name, make }: (typeof cases)[number], pytorch: PyTorch, rounds: number): Promise<Result> {
  const before = tf.memory().numTensors;
  tf.engine().startScope();
  const iteration = make();
  await pytorch.prepare(name);
  let iterations = 1;
  while (seconds(iteration, iterations) < LEAST_SECONDS) iterations *= 2;
  await pytorch.seconds(iterations);
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    ours.push(seconds(iteration, iterations) / iterations);
    theirs.push((await pytorch.seconds(iterations)) / iterations);
  }
  tf.engine().endScope();
  if (tf.memory().numTensors !== before) throw new Error(`${name} left tensors behind`);
  return {
    name,
    unit: 'ms',
    ours: digits(median(ours) * 1000),
    pytorch: digits(median(theirs) * 1000),
    ratio: digits(median(ours) / median(theirs)),
    iterations,
    rounds,
  };
}

async function main(): Promise<void> {
  if (values.help) return void process.stdout.write(USAGE);
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds: expected a whole number, got ${values.rounds}`);
  const chosen = cases.filter(({ name }) => name.includes(values.filter));
  if (chosen.length === 0) throw new Error(`--filter: no case has '${values.filter}' in its name`);
  const engine = await useBackend(values.backend);
  const { pytorch, version, threads } = await PyTorch.start(values.python, engine.device);
  const results: Result[] = [];
  for (const item of chosen) {
    const result = await compare(item, pytorch, rounds);
    results.push(result);
    const { name, ours, pytorch: theirs, ratio } = result;
    process.stderr.write(`${name.padEnd(52)} ${ours} ms   PyTorch ${theirs} ms   ratio ${ratio}\n`);
  }
  pytorch.stop();
  const report = {
    machine: { cpu: os.cpus()[0]?.model, cores: os.cpus().length, memoryGiB: Math.round(os.totalmem() / 2 ** 30) },
    versions: { node: process.version, engine, pytorch: version, threads, commit: commit() },
    results,
  };
  if (values.json) process.stdout.write(`${JSON.stringify(report, null, 1)}\n`);
}

function commit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim();
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') ? ', modified' : '');
  } catch {
    return 'unknown';
  }
}

await main();
