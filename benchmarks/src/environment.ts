import { execFileSync } from 'node:child_process';
import os from 'node:os';

/** Where and with what something was measured. */
export function environment(versions: object): { machine: object; versions: object; measured: string } {
  return {
    machine: { cpu: os.cpus()[0]?.model, cores: os.cpus().length, memoryGiB: Math.round(os.totalmem() / 2 ** 30) },
    versions: { node: process.version, ...versions, commit: commit() },
    measured: new Date().toISOString().slice(0, 10),
  };
}

function commit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim();
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') ? ', modified' : '');
  } catch {
    return 'unknown';
  }
}
