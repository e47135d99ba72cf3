import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  encodeSafetensors,
  readSafetensors,
  readSafetensorsMetadata,
  SafetensorsError,
  type SafetensorsInput,
  writeSafetensors,
} from './index';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weights-'));
  path = join(folder, 'model.safetensors');
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

const filled = (value: number, length = 3) =>
  new Map<string, SafetensorsInput>([['w', { shape: [length], data: new Float32Array(length).fill(value) }]]);

async function fileHandlePrototype() {
  const file = await open(path, 'a');
  await file.close();
  return Object.getPrototypeOf(file);
}

describe('files', () => {
  it('give back what was written; a path and its bytes are read alike', async () => {
    const tensors = new Map<string, SafetensorsInput>([
      ['w', { dtype: 'F32', shape: [2, 1], data: Float32Array.of(1.5, -0) }],
      ['mask', { dtype: 'BOOL', shape: [3], data: Uint8Array.of(1, 0, 1) }],
      ['none', { dtype: 'F32', shape: [0, 7], data: new Float32Array(0) }],
      ['scalar', { dtype: 'I64', shape: [], data: Int32Array.of(-3) }],
    ]);
    const metadata = { step: '3', text: 'Größe "1"\n𝄞' };
    await writeSafetensors(path, tensors, { metadata });
    const read = await readSafetensors(path);
    expect(new Map(read)).toEqual(tensors);
    expect(read.metadata).toEqual(metadata);
    expect(await readSafetensorsMetadata(path)).toEqual(metadata);
    const bytes = await readFile(path);
    expect(bytes).toEqual(Buffer.from(encodeSafetensors(tensors, { metadata })));
    expect(await readSafetensors(bytes)).toEqual(read);
    expect(await readSafetensorsMetadata(bytes)).toEqual(metadata);
    expect(await readdir(folder)).toEqual(['model.safetensors']);
  });

  it('without tensors, and without metadata', async () => {
    await writeSafetensors(path, new Map());
    expect((await readSafetensors(path)).size).toBe(0);
    expect(await readSafetensorsMetadata(path)).toEqual({});
  });

  it('cut anywhere are refused, with the path', async () => {
    await writeSafetensors(path, filled(1));
    const { size } = await stat(path);
    for (let length = size - 1; length >= 0; length--) {
      await truncate(path, length);
      const cut = expect.objectContaining({
        name: 'SafetensorsError',
        message: expect.stringMatching(/model\.safetensors: .*Fix/),
      });
      await expect(readSafetensors(path)).rejects.toEqual(cut);
      await expect(readSafetensorsMetadata(path)).rejects.toEqual(cut);
    }
  });

  it('that become shorter while they are read are refused', async () => {
    await writeSafetensors(path, filled(1));
    const prototype = await fileHandlePrototype();
    const read = prototype.read;
    let calls = 0;
    vi.spyOn(prototype, 'read').mockImplementation(function (this: unknown, ...rest: unknown[]) {
      return ++calls > 2 ? { bytesRead: 0 } : read.apply(this, rest);
    });
    await expect(readSafetensors(path)).rejects.toThrow(/became shorter while it was read/);
  });

  it('are read whole where the system gives a few bytes at a time', async () => {
    await writeSafetensors(path, filled(5, 100));
    const prototype = await fileHandlePrototype();
    const read = prototype.read;
    vi.spyOn(prototype, 'read').mockImplementation(function (
      this: unknown,
      ...[buffer, offset, length, position]: unknown[]
    ) {
      return read.call(this, buffer, offset, Math.min(7, length as number), position);
    });
    expect((await readSafetensors(path)).get('w')!.data).toEqual(new Float32Array(100).fill(5));
  });

  it('that are not there or are folders keep the code of the system', async () => {
    await expect(readSafetensors(path)).rejects.toMatchObject({ name: 'SafetensorsError', code: 'ENOENT' });
    await expect(readSafetensorsMetadata(path)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(readSafetensors(folder)).rejects.toMatchObject({ code: 'EISDIR' });
    await expect(writeSafetensors(join(folder, 'no', 'file'), filled(1))).rejects.toMatchObject({
      name: 'SafetensorsError',
      code: 'ENOENT',
      message: expect.stringMatching(/no\/file: cannot be written: ENOENT/),
    });
    expect(await readSafetensors(null as never).catch(String)).toMatch(/expected the bytes .* got Null/);
  });
});

describe('a write that fails', () => {
  it.each(['writeFile', 'sync'])('in %s leaves the old file and nothing else', async (step) => {
    await writeSafetensors(path, filled(1));
    const prototype = await fileHandlePrototype();
    const original = prototype[step];
    let calls = 0;
    vi.spyOn(prototype, step).mockImplementation(async function (this: unknown, ...rest: unknown[]) {
      const result = await original.apply(this, rest);
      if (++calls >= (step === 'writeFile' ? 2 : 1)) {
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
      }
      return result;
    });
    const failed = await writeSafetensors(path, filled(2)).catch((error) => error);
    vi.restoreAllMocks();
    expect(failed).toBeInstanceOf(SafetensorsError);
    expect(failed).toMatchObject({
      code: 'ENOSPC',
      message: `${path}: cannot be written: ENOSPC: no space left on device, write`,
    });
    expect(await readdir(folder)).toEqual(['model.safetensors']);
    expect((await readSafetensors(path)).get('w')!.data[0]).toBe(1);
  });

  it('for a value in a later tensor, or because the path is a folder, leaves nothing', async () => {
    await writeSafetensors(path, filled(1));
    const wrong = filled(2).set('z', { dtype: 'I8', shape: [1], data: Int32Array.of(999) });
    await expect(writeSafetensors(path, wrong)).rejects.toThrow(/cannot be written: tensor 'z': value 999 at 0 is not/);
    await mkdir(join(folder, 'folder'));
    await expect(writeSafetensors(join(folder, 'folder'), filled(1))).rejects.toMatchObject({ code: 'EISDIR' });
    expect((await readdir(folder)).sort()).toEqual(['folder', 'model.safetensors']);
    expect((await readSafetensors(path)).get('w')!.data[0]).toBe(1);
  });
});

it('writers and readers of one path at once: every reader sees one whole file', async () => {
  await writeSafetensors(path, filled(0, 20_000));
  const writers = Array.from({ length: 8 }, (_, i) => writeSafetensors(path, filled(i, 20_000)));
  const readers = Array.from({ length: 8 }, async () => new Set((await readSafetensors(path)).get('w')!.data).size);
  await Promise.all(writers);
  expect(await Promise.all(readers)).toEqual(Array(8).fill(1));
  expect(await readdir(folder)).toEqual(['model.safetensors']);
});

it('where there is no Node, files say so and bytes are read', async () => {
  vi.stubGlobal('process', undefined);
  try {
    await expect(readSafetensors('model.safetensors')).rejects.toThrow(/no files here.*decodeSafetensors/);
    await expect(writeSafetensors('model.safetensors', filled(1))).rejects.toThrow(/no files here/);
    expect((await readSafetensors(encodeSafetensors(filled(4)))).get('w')!.data[2]).toBe(4);
  } finally {
    vi.unstubAllGlobals();
  }
});
