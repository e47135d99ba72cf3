import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { readSafetensors, type SafetensorsEntry, writeSafetensors } from '@medalign/weights';
import * as tf from '@tensorflow/tfjs-core';
import { CheckpointError } from './errors';

/** What a checkpoint holds. */
export type Checkpoint = {
  /** Steps done. */
  step: number;
  epoch: number;
  /** Weights, optimiser state and whatever else is a tensor, by name (see `addPrefix`). */
  tensors: Map<string, tf.Tensor>;
  /** Plain JSON: schedules, optimiser values, position in the data, configuration. */
  state: unknown;
};

/** How a checkpoint is saved. */
export type SaveOptions = Omit<Checkpoint, 'epoch' | 'state'> & {
  epoch?: number;
  state?: unknown;
  /** Newest checkpoints that stay, at least 1. */
  keep?: number;
  /** Keep this one as `best.safetensors`, whatever is pruned later. */
  best?: boolean;
  /** Puts the tensors into a file, whole or not at all. */
  write?: typeof writeSafetensors;
};

const format = 'medalign-checkpoint-1';
const namePattern = /^step-(\d{8,})\.safetensors$/;
// What a process killed while writing leaves behind.
const leftover = /^(step-\d{8,}|best)\.safetensors\..*tmp/;

/**
 * Saves a training state as one safetensors file that is there whole or not at all.
 *
 * The file `step-00000100.safetensors` holds all tensors, and step, epoch and JSON state in its metadata; any safetensors reader
 * opens it. It is written beside and renamed; a crash or a full disk leaves the earlier checkpoints as they were. Afterwards
 * older ones beyond `keep` are deleted, and so are those of *later* steps: they belong to a run that was resumed from
 * before them, and would be taken for the latest. `best.safetensors` always stays.
 *
 * @param folder usually the run's `checkpoints/`; made if need be.
 * @param options see {@link SaveOptions}; `tensors` are read, not disposed.
 * @returns the path of the file.
 * @throws {CheckpointError} if there is no room (path, bytes needed and free), the file cannot be written, or the
 *   state holds what JSON cannot (NaN, ∞).
 * @example
 * const folder = `${(await import('node:os')).tmpdir()}/checkpoints-${process.pid}`;
 * await saveCheckpoint(folder, { step: 10, tensors: new Map([['w', tf.tensor1d([1, 2])]]), state: { seed: 7 } });
 * const { step, tensors, state } = await loadCheckpoint(folder);
 * step // 10
 * tensors.get('w') // [1, 2]
 * state // {"seed":7}
 */
export async function saveCheckpoint(
  folder: string,
  { step, epoch = 0, tensors, state = null, keep = 3, best = false, write = writeSafetensors }: SaveOptions,
): Promise<string> {
  const path = join(folder, fileName(step));
  if (!Number.isInteger(keep) || keep < 1) throw new CheckpointError(`${path}: keep must be at least 1, got ${keep}`);
  const metadata = { format, step: String(step), epoch: String(epoch), state: toJson(state, path) };
  const entries = new Map<string, ReturnType<typeof toEntry>>();
  let bytes = metadata.state.length;
  for (const [name, tensor] of tensors) {
    const entry = toEntry(name, tensor, await tensor.data(), path);
    entries.set(name, entry);
    bytes += entry.data.byteLength + name.length + 100;
  }
  try {
    mkdirSync(folder, { recursive: true });
    // Asked first: a disk filled to the last byte hurts every other program on it.
    if (freeBytes(folder) < bytes) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    await write(path, entries, { metadata });
    if (best) replaceByLink(path, join(folder, 'best.safetensors'));
  } catch (error) {
    throw cannotWrite(error as NodeJS.ErrnoException, path, bytes, folder);
  }
  prune(folder, step, keep);
  return path;
}

/**
 * Loads a checkpoint from a file, or the latest one from a folder (a run folder or its `checkpoints/`).
 *
 * @returns step, epoch, state, the path it came from, and tensors that belong to the caller.
 * @throws {CheckpointError} if there is none, or the file is damaged or not a checkpoint, naming the file.
 */
export async function loadCheckpoint(path: string): Promise<Checkpoint & { path: string }> {
  const file = existsSync(path) && statSync(path).isDirectory() ? latestCheckpoint(path) : path;
  if (!file || !existsSync(file)) throw new CheckpointError(`${path}: no checkpoint here: check the path of --resume`);
  try {
    const entries = await readSafetensors(file);
    const { metadata } = entries;
    if (metadata.format !== format) throw new CheckpointError(`${file}: is no checkpoint: its metadata says format "${metadata.format ?? ''}", expected "${format}"`); // biome-ignore format: one line
    const state = JSON.parse(metadata.state!);
    const tensors = new Map([...entries].map(([name, entry]) => [name, fromEntry(name, entry)]));
    return { path: file, step: Number(metadata.step), epoch: Number(metadata.epoch), state, tensors };
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    const why = (error as Error).message;
    const fix = 'delete it and resume from the one before';
    throw new CheckpointError(`${file}: cannot be loaded as a checkpoint (${why}): ${fix}`, { cause: error });
  }
}

/**
 * The path of the checkpoint with the most steps in a run folder or its `checkpoints/`, or undefined.
 *
 * @example
 * latestCheckpoint('/no/such/run') ?? 'none' // "none"
 */
export function latestCheckpoint(runFolder: string): string | undefined {
  const folder = [join(runFolder, 'checkpoints'), runFolder].find((candidate) => steps(candidate).length > 0);
  return folder && join(folder, fileName(Math.max(...steps(folder))));
}

const fileName = (step: number) => `step-${String(step).padStart(8, '0')}.safetensors`;

function steps(folder: string): number[] {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names.flatMap((name) => namePattern.exec(name)?.[1] ?? []).map(Number);
}

function prune(folder: string, step: number, keep: number): void {
  const kept = steps(folder)
    .filter((other) => other <= step)
    .sort((a, b) => b - a)
    .slice(0, keep);
  for (const other of steps(folder)) if (!kept.includes(other)) rmSync(join(folder, fileName(other)));
  for (const name of readdirSync(folder)) if (leftover.test(name)) rmSync(join(folder, name), { force: true });
}

/** A second name for the same bytes; a copy where the file system has no links. */
function replaceByLink(path: string, link: string): void {
  const temporary = `${link}.tmp-${process.pid}`;
  rmSync(temporary, { force: true });
  try {
    linkSync(path, temporary);
  } catch {
    copyFileSync(path, temporary);
  }
  renameSync(temporary, link);
}

function freeBytes(folder: string): number {
  const { blocks, bavail, bsize } = statfsSync(folder);
  // Some network file systems do not say.
  return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize;
}

function cannotWrite(error: NodeJS.ErrnoException, path: string, bytes: number, folder: string): CheckpointError {
  const full = error.code === 'ENOSPC' || error.code === 'EDQUOT';
  const free = existsSync(folder) ? `, ${freeBytes(folder)} bytes are free` : '';
  const why = full ? `the disk is full: ${bytes} bytes needed${free}` : error.message;
  const fix = full
    ? 'free some space, lower keep, or choose a folder on another disk; then resume'
    : 'check the folder and its permissions; then resume';
  const safe = 'The checkpoints before it are whole.';
  return new CheckpointError(`${path}: cannot save the checkpoint: ${why}. ${safe} Fix: ${fix}.`, { cause: error });
}

function toJson(state: unknown, path: string): string {
  return JSON.stringify(state, (key, value) => {
    if (typeof value === 'number' && !Number.isFinite(value)) {
      throw new CheckpointError(`${path}: state.${key} is ${value}, which JSON cannot hold: leave it out or use null`);
    }
    return value;
  });
}

const dtypes = { float32: 'F32', int32: 'I32', bool: 'BOOL' } as const;

function toEntry(name: string, tensor: tf.Tensor, data: Float32Array | Int32Array | Uint8Array, path: string) {
  const dtype = dtypes[tensor.dtype as keyof typeof dtypes];
  if (!dtype) throw new CheckpointError(`${path}: ${name} is ${tensor.dtype}: expected float32, int32 or bool`);
  return { dtype, shape: tensor.shape, data };
}

function fromEntry(name: string, { dtype, shape, data }: SafetensorsEntry): tf.Tensor {
  const match = Object.entries(dtypes).find(([, safetensorsName]) => safetensorsName === dtype);
  if (!match) throw new Error(`${name} is ${dtype}: expected ${Object.values(dtypes).join(', ')}`);
  return tf.tensor(data as Float32Array, shape, match[0] as keyof typeof dtypes);
}
