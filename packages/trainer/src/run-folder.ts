import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { configText } from './config';
import { ConfigError } from './errors';

/** How a run folder is opened. */
export type RunFolderOptions = {
  /** The resolved configuration, plain JSON values. */
  config: unknown;
  /** What `useBackend` returned; default: tfjs's backend name and version. */
  engine?: unknown;
  /** Go on with a run that is there: nothing is deleted. */
  resume?: boolean;
  /** Delete the results of a run that is there. */
  overwrite?: boolean;
};

/**
 * The configuration file of a run, for going on with it.
 *
 * @throws {ConfigError} if the folder is none of a run.
 * @example
 * const path = `${(await import('node:os')).tmpdir()}/resumed-${process.pid}`;
 * const run = new RunFolder(path, { config: { steps: 20 }, overwrite: true });
 * configOfRun(path) === run.file('config.resolved.yaml') // true
 */
export function configOfRun(folder: string): string {
  const file = join(folder, 'config.resolved.yaml');
  if (existsSync(file)) return file;
  const what = existsSync(folder) ? 'it has no config.resolved.yaml' : 'there is nothing at this path';
  throw new ConfigError(`--resume ${folder}: expected the folder of a run, such as runs/…; ${what}`);
}

const ownFiles =
  /^(config\.resolved\.yaml|env\.json|metrics\.jsonl|events\.out\.tfevents\..*|checkpoints|overlays|report\.html)$/;

const packageNames = [
  ...['similarity', 'losses', 'progressive', 'roi-processor', 'eval-metrics', 'ops', 'weights', 'encoders'],
  ...['datasets', 'backend', 'backend-torch', 'trainer', 'report'],
].map((name) => `@medalign/${name}`);
const engineNames = ['core', 'backend-cpu', 'backend-wasm', 'node', 'node-gpu'].map(
  (name) => `@tensorflow/tfjs-${name}`,
);

/**
 * The folder of one training run: what was run, where, and with what result.
 *
 * Opening it writes `config.resolved.yaml` (can be given back as `--config`) and `env.json` (Node, package
 * versions, engine, processor, git commit, arguments). A folder with a finished run, or with checkpoints of an unfinished
 * one, is refused unless `resume` or `overwrite` says what to do: days of training must not vanish through a forgotten flag.
 *
 * @param path the folder; made if need be.
 * @param options see {@link RunFolderOptions}.
 * @throws {ConfigError} if a run is there and neither `resume` nor `overwrite` is set, or both are.
 * @example
 * const run = new RunFolder(`${(await import('node:os')).tmpdir()}/run-${process.pid}`, { config: { steps: 20 }, overwrite: true });
 * run.finished // false
 * run.finish();
 * run.finished // true
 */
export class RunFolder {
  /** Absolute path of the folder. */
  readonly path: string;

  constructor(path: string, { config, engine, resume = false, overwrite = false }: RunFolderOptions) {
    this.path = resolve(path);
    if (resume && overwrite) throw new ConfigError('resume and overwrite exclude each other: choose one');
    const started = existsSync(this.file('config.resolved.yaml'));
    if (overwrite && started) {
      for (const name of readdirSync(this.path).filter((name) => ownFiles.test(name))) {
        rmSync(this.file(name), { recursive: true, force: true });
      }
    } else if (!resume && started && (this.finished || this.#hasCheckpoints())) {
      const what = this.finished ? 'a finished run' : 'checkpoints of an unfinished run';
      throw new ConfigError(`${this.path} holds ${what}: resume it, overwrite it, or choose another folder`);
    }
    mkdirSync(this.checkpoints, { recursive: true });
    writeWhole(this.file('config.resolved.yaml'), configText(config));
    writeWhole(this.file('env.json'), `${JSON.stringify(environment(engine), null, 2)}\n`);
  }

  /** Where checkpoints go. */
  get checkpoints(): string {
    return this.file('checkpoints');
  }

  /** Where metrics lines go. */
  get metrics(): string {
    return this.file('metrics.jsonl');
  }

  /** Whether `finish` was called for what is in the folder. */
  get finished(): boolean {
    return typeof readEnvironment(this.file('env.json'))?.finished === 'string';
  }

  /** The path of a file or folder inside: `run.file('report.html')`. */
  file(name: string): string {
    return join(this.path, name);
  }

  /** Marks the run as complete, with the time. */
  finish(): void {
    const file = this.file('env.json');
    const finished = { ...readEnvironment(file), finished: new Date().toISOString() };
    writeWhole(file, `${JSON.stringify(finished, null, 2)}\n`);
  }

  #hasCheckpoints(): boolean {
    return existsSync(this.checkpoints) && readdirSync(this.checkpoints).some((name) => name.endsWith('.safetensors'));
  }
}

function environment(engine: unknown) {
  return {
    started: new Date().toISOString(),
    argv: process.argv.slice(1),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    engine: engine ?? { name: tf.getBackend() ?? null, version: tf.version_core },
    packages: versions([...packageNames, ...engineNames]),
    git: git(),
  };
}

/** Installed versions, looked up from the place of the running program, then from here. */
function versions(names: string[]): Record<string, string> {
  const requires = [join(process.cwd(), 'index.js'), import.meta.url].map((from) => createRequire(from));
  const found: Record<string, string> = {};
  for (const name of names) {
    for (const require of requires) {
      try {
        found[name] ??= (require(`${name}/package.json`) as { version: string }).version;
      } catch {
        // Not installed, which is what the list is there to show.
      }
    }
  }
  return found;
}

function git(): { commit: string; modified: boolean } | null {
  try {
    const run = (...args: string[]) =>
      execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return { commit: run('rev-parse', 'HEAD').trim(), modified: run('status', '--porcelain').trim() !== '' };
  } catch {
    return null;
  }
}

function readEnvironment(file: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.tmp`, text);
  renameSync(`${file}.tmp`, file);
}
