import { spawn } from 'node:child_process';

export interface CommandOptions {
  cwd: string;
  env?: NodeJS.ProcessEnv;
  /** Kills the command, and everything that it started. */
  signal?: AbortSignal;
}

/** Runs a command and gives its stdout. A failure carries all it said. */
export function run(command: string, args: string[], { cwd, env, signal }: CommandOptions): Promise<string> {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    // a group of its own: npm's children end with it
    const child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    const kill = () => {
      try {
        process.kill(-child.pid!, 'SIGKILL');
      } catch {
        // it has just ended
      }
    };
    signal?.addEventListener('abort', kill, { once: true });
    let stdout = '';
    let all = '';
    child.stdout.on('data', (data) => {
      stdout += data;
      all += data;
    });
    child.stderr.on('data', (data) => {
      all += data;
    });
    child.on('error', reject);
    child.on('close', (code, killed) => {
      signal?.removeEventListener('abort', kill);
      if (signal?.aborted) reject(signal.reason);
      else if (code === 0) resolve(stdout);
      else reject(new Error(`${[command, ...args].join(' ')}\nin ${cwd} ended with ${code ?? killed}:\n${all.trim()}`));
    });
  });
}

/** The same for each item, two at a time: the machine's two cores, and not more. The first failure ends it. */
export async function forEachTwo<T>(items: T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      try {
        await work(item);
      } catch (error) {
        waiting.length = 0;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled([worker(), worker()]);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}
