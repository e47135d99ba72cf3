import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onEveryEngine } from '@medalign/testing';
import { writeSafetensors } from '@medalign/weights';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { latestCheckpoint, loadCheckpoint, saveCheckpoint } from './checkpoint';
import { CheckpointError } from './errors';

const newFolder = () => mkdtempSync(join(tmpdir(), 'checkpoint-'));
const tensors = (value = 1) => new Map<string, tf.Tensor>([['w', tf.tensor1d([value, 2])]]);
const w = async (path: string) => [...(await loadCheckpoint(path)).tensors.get('w')!.dataSync()];

onEveryEngine('checkpoint', () => {
  it('gives back what was saved, bit for bit', async () => {
    const folder = newFolder();
    const values = Float32Array.of(1 / 3, -0, 1e-45, Number.NaN, Number.POSITIVE_INFINITY, 3e38);
    const saved = new Map<string, tf.Tensor>([
      ['model.w', tf.tensor2d(values, [2, 3])],
      ['count', tf.tensor1d([2 ** 31 - 1, -7], 'int32')],
      ['mask', tf.tensor1d([1, 0, 1], 'bool')],
      ['scalar', tf.scalar(5)],
    ]);
    const state = { plateau: { best: null, learningRate: 1e-5 }, text: 'Größe', list: [1, 2] };
    const before = tf.memory().numTensors;
    const path = await saveCheckpoint(folder, { step: 12, epoch: 3, tensors: saved, state });
    expect(tf.memory().numTensors).toBe(before);
    expect(path).toBe(join(folder, 'step-00000012.safetensors'));
    const loaded = await loadCheckpoint(path);
    expect(loaded).toMatchObject({ path, step: 12, epoch: 3, state });
    expect([...loaded.tensors.keys()].sort()).toEqual([...saved.keys()].sort());
    for (const [name, tensor] of saved) {
      const back = loaded.tensors.get(name)!;
      expect([back.dtype, back.shape]).toEqual([tensor.dtype, tensor.shape]);
      expect([...back.dataSync()]).toEqual([...tensor.dataSync()]);
    }
    expect(Object.is(loaded.tensors.get('model.w')!.dataSync()[1], -0)).toBe(true);
  });
});

describe('checkpoint files', () => {
  beforeAll(async () => {
    await tf.ready();
  });

  it('keeps the newest few and the best, and finds the latest', async () => {
    const run = newFolder();
    const folder = join(run, 'checkpoints');
    expect(latestCheckpoint(run)).toBeUndefined();
    mkdirSync(folder);
    writeFileSync(join(folder, 'step-00000003.safetensors.123.abc.tmp'), 'of a process that was killed while writing');
    for (const step of [1, 2, 3, 4, 5]) {
      await saveCheckpoint(folder, { step, tensors: tensors(step), keep: 2, best: step === 2 });
    }
    expect(readdirSync(folder).sort()).toEqual([
      'best.safetensors',
      'step-00000004.safetensors',
      'step-00000005.safetensors',
    ]);
    expect(latestCheckpoint(run)).toBe(join(folder, 'step-00000005.safetensors'));
    expect(latestCheckpoint(folder)).toBe(latestCheckpoint(run));
    expect(await w(run)).toEqual([5, 2]);
    expect(await w(join(folder, 'best.safetensors'))).toEqual([2, 2]);
    await saveCheckpoint(folder, { step: 4, tensors: tensors(44), keep: 2, best: true });
    expect(latestCheckpoint(run), 'later steps of the abandoned branch are gone').toBe(
      join(folder, 'step-00000004.safetensors'),
    );
    expect(await w(join(folder, 'best.safetensors'))).toEqual([44, 2]);
  });

  it('a write that fails half-way leaves the one before, no rubbish, and says what to do', async () => {
    const folder = newFolder();
    await saveCheckpoint(folder, { step: 1, tensors: tensors(1), keep: 1 });
    const write = async () => {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    };
    const failing = saveCheckpoint(folder, { step: 2, tensors: tensors(2), keep: 1, write: write as never });
    await expect(failing).rejects.toThrow(CheckpointError);
    await expect(failing).rejects.toThrow(
      /step-00000002\.safetensors: cannot save the checkpoint: the disk is full: \d+ bytes needed, \d+ bytes are free\..*Fix: free some space/,
    );
    expect(readdirSync(folder)).toEqual(['step-00000001.safetensors']);
    expect(await w(folder)).toEqual([1, 2]);
  });

  it('a folder that cannot be written to is named', async () => {
    const file = join(newFolder(), 'file');
    writeFileSync(file, '');
    await expect(saveCheckpoint(file, { step: 1, tensors: tensors() })).rejects.toThrow(/file\/step-00000001.*EEXIST/);
  });

  it('names a damaged, a foreign and a missing file', async () => {
    const folder = newFolder();
    const path = await saveCheckpoint(folder, { step: 1, tensors: tensors() });
    const length = readFileSync(path).length;
    for (const size of [length - 1, 20, 3, 0]) {
      truncateSync(path, size);
      await expect(loadCheckpoint(folder)).rejects.toThrow(`${path}: cannot be loaded as a checkpoint`);
    }
    const foreign = join(folder, 'model.safetensors');
    await writeSafetensors(foreign, new Map([['w', { dtype: 'F32', shape: [1], data: Float32Array.of(1) }]]));
    await expect(loadCheckpoint(foreign)).rejects.toThrow(/model\.safetensors: .*format ""/);
    await expect(loadCheckpoint('/no/such/run')).rejects.toThrow('/no/such/run: no checkpoint here');
    mkdirSync(join(folder, 'empty'));
    await expect(loadCheckpoint(join(folder, 'empty'))).rejects.toThrow('no checkpoint here');
  });

  it('refuses what would not come back', async () => {
    const folder = newFolder();
    const state = { plateau: { best: Number.POSITIVE_INFINITY } };
    await expect(saveCheckpoint(folder, { step: 1, tensors: tensors(), state })).rejects.toThrow(
      'state.best is Infinity',
    );
    const text = new Map([['t', tf.tensor1d(['a'])]]) as Map<string, tf.Tensor>;
    await expect(saveCheckpoint(folder, { step: 1, tensors: text })).rejects.toThrow('t is string');
    await expect(saveCheckpoint(folder, { step: 1, tensors: tensors(), keep: 0 })).rejects.toThrow(
      'keep must be at least 1',
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  // A real full disk, where the system lets an ordinary user mount a small one in memory.
  const script = fileURLToPath(new URL('./testing/full-disk.ts', import.meta.url));
  const folder = newFolder();
  const inSmallDisk = (command: string) =>
    spawnSync('unshare', ['-rm', 'sh', '-c', `mount -t tmpfs -o size=96k tmpfs ${folder} && ${command}`], {
      encoding: 'utf8',
    });
  it.skipIf(inSmallDisk('true').status !== 0)('a disk that is full: the checkpoint before stays, nothing else', () => {
    const { stdout, stderr } = inSmallDisk(
      `${process.execPath} --conditions=@medalign/source --import tsx ${script} ${folder}`,
    );
    expect(JSON.parse(stdout.split('\n').at(-2) ?? '{}'), stderr).toEqual({
      asked: expect.stringMatching(/the disk is full: 80\d\d\d bytes needed, \d+ bytes are free/),
      written: expect.stringMatching(/the disk is full: 30\d\d\d bytes needed, \d+ bytes are free/),
      files: ['step-00000001.safetensors'],
      first: [1, 1],
    });
  });
});
