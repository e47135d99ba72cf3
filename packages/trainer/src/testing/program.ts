import { setTimeout as wait } from 'node:timers/promises';
import { ConfigError } from '../errors';
import { runMain } from '../run-main';

const programs: Record<string, (signal: AbortSignal) => Promise<void>> = {
  ok: async () => void process.stdout.write('done\n'),
  config: async () => {
    throw new ConfigError('train.steps: expected number');
  },
  usage: async () => {
    const message = "error: unknown option '--sett'\n(Did you mean --set?)";
    throw Object.assign(new Error(message), { code: 'commander.unknownOption', exitCode: 1 });
  },
  help: async () => {
    process.stdout.write('Usage:\n');
    throw Object.assign(new Error('(outputHelp)'), { code: 'commander.helpDisplayed', exitCode: 0 });
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
  /** Ends when the signal came twice; its clock stands still, so that the second is an echo however slow the machine. */
  echo: async () => {
    performance.now = () => 0;
    let came = 0;
    process.on('SIGINT', () => came++);
    process.stdout.write('ready\n');
    while (came < 2) await wait(5);
    process.stdout.write('saved\n');
  },
  /** Sends itself an echo after main has ended, by a timer that runs only if something else keeps the process. */
  late: async (signal) => {
    process.kill(process.pid, 'SIGINT');
    while (!signal.aborted) await wait(5);
    const echo = () => process.stdout.write('echo\n') && process.kill(process.pid, 'SIGINT');
    setTimeout(echo, 100).unref();
  },
  deaf: async () => {
    process.stdout.write('ready\n');
    await wait(30_000);
  },
};

await runMain(programs[process.argv[2]!]!);
