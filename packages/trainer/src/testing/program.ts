import { setTimeout as wait } from 'node:timers/promises';
import { ConfigError } from '../errors';
import { runMain } from '../run-main';

const programs: Record<string, (signal: AbortSignal) => Promise<void>> = {
  ok: async () => void process.stdout.write('done\n'),
  config: async () => {
    throw new ConfigError('train.steps: expected number');
  },
  internal: async () => {
    throw new Error('oops');
  },
  open: async () => {
    setInterval(() => {}, 100);
    throw new ConfigError('with a timer left open');
  },
  loop: async (signal) => {
    process.stdout.write('ready\n');
    while (!signal.aborted) await wait(5);
    process.stdout.write('saved\n');
  },
  deaf: async () => {
    process.stdout.write('ready\n');
    await wait(30_000);
  },
};

await runMain(programs[process.argv[2]!]!);
