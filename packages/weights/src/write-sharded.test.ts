import { createHash } from 'node:crypto';
import { mkdtemp, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import golden from '../goldens/checkpoints/expected.json';
import { readWeights, SafetensorsError, type SafetensorsInput, WeightsError, writeSafetensorsSharded } from './index';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weights-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

const floats = (...values: number[]): SafetensorsInput => ({ shape: [values.length], data: Float32Array.from(values) });
const file = (name: string) => join(folder, name);
const put = (name: string, content: Uint8Array | string) => writeFile(file(name), content);
const refusal = async (promise: Promise<unknown>): Promise<string> => {
  const error = await promise.then(() => 'not refused').catch((error) => error);
  expect(error).toBeInstanceOf(WeightsError);
  expect(error.message).toMatch(/Fix: |E[A-Z]{4,}/);
  return error.message;
};

describe('writing shards', () => {
  const many = () => {
    const sizes = Object.entries(golden.sharded.sizes);
    const tensors = new Map(
      sizes.map(([name, n], i) => [name, floats(...Array.from({ length: n }, (_, k) => k + i))] as const),
    );
    return tensors.set('half', { ...floats(1, 2), dtype: 'F16' });
  };
  const metadata = { format: 'pt' };

  it.each([20, 1000] as const)(
    'of %i bytes gives the files of huggingface_hub, byte for byte',
    async (maxShardBytes) => {
      const names = await writeSafetensorsSharded(folder, many(), { maxShardBytes, metadata });
      const { index, sha256 } = golden.sharded.written[maxShardBytes];
      const hashes: Record<string, string> = {};
      for (const name of names.filter((name) => name.endsWith('.safetensors'))) {
        hashes[name] = createHash('sha256')
          .update(await readFile(file(name)))
          .digest('hex');
      }
      expect(hashes).toEqual(sha256);
      expect((await readdir(folder)).sort()).toEqual([...names].sort());
      if (index) {
        const written = await readFile(file('model.safetensors.index.json'), 'utf8');
        expect(JSON.parse(written)).toEqual(index);
        expect(written).toMatch(
          /^{\n {2}"metadata": {\n {4}"total_size": 100\n {2}},\n {2}"weight_map": {\n {4}"a": "model-0/,
        );
      }
      const read = await readWeights(folder);
      for (const [name, { shape, data }] of many()) expect(read.get(name)).toMatchObject({ shape, data });
      expect([read.size, read.metadata]).toEqual([7, metadata]);
    },
  );

  it('nothing, and names that JSON escapes', async () => {
    expect(await writeSafetensorsSharded(folder, new Map())).toEqual(['model.safetensors']);
    await rm(file('model.safetensors'));
    const odd = new Map(['a":"b', '__proto__', '7', 'é'].map((name) => [name, floats(1)]));
    await writeSafetensorsSharded(folder, odd, { maxShardBytes: 4 });
    expect([...(await readWeights(folder)).keys()].sort()).toEqual([...odd.keys()].sort());
  });

  it('refuses to mix with weights that are there, and leaves them', async () => {
    await put('model-00001-of-00002.safetensors', 'old');
    expect(await refusal(writeSafetensorsSharded(folder, many()))).toMatch(
      /cannot be written: the folder holds weights already: 'model-00001-of-00002\.safetensors'\. Fix/,
    );
    expect(await readdir(folder)).toEqual(['model-00001-of-00002.safetensors']);
  });

  it('checks before it writes', async () => {
    const wrong = many().set('z', { shape: [3], data: Float32Array.of(1) });
    expect(await refusal(writeSafetensorsSharded(folder, wrong))).toMatch(/'z': shape \[3\] holds 3 values, got 1/);
    for (const maxShardBytes of [0, -1, Number.NaN]) {
      expect(await refusal(writeSafetensorsSharded(folder, many(), { maxShardBytes }))).toMatch(
        /maxShardBytes: expected/,
      );
    }
    await expect(writeSafetensorsSharded(file('none'), many())).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readdir(folder)).toEqual([]);
  });

  it.each(['a value of the last shard', 'the system', 'another writer'])(
    'leaves nothing where %s stops it',
    async (what) => {
      const tensors = many();
      if (what === 'a value of the last shard') tensors.set('z', { ...floats(0.5), dtype: 'I32' });
      await put('other', '');
      if (what !== 'a value of the last shard') {
        const opened = await open(file('other'));
        const prototype = Object.getPrototypeOf(opened);
        await opened.close();
        const { sync } = prototype;
        let calls = 0;
        vi.spyOn(prototype, 'sync').mockImplementation(async function (this: unknown) {
          await sync.call(this);
          // four shards are written when the fifth fails, or when another program puts its own there
          if (++calls < 5) return;
          if (what === 'the system') throw Object.assign(new Error('ENOSPC: no space'), { code: 'ENOSPC' });
          if (calls === 5) await writeFile(file('model.safetensors'), 'theirs');
        });
      }
      const failed = await writeSafetensorsSharded(folder, tensors, { maxShardBytes: 20 }).catch((error) => error);
      expect(failed).toBeInstanceOf(SafetensorsError);
      expect(await readdir(folder)).toEqual(what === 'another writer' ? ['model.safetensors', 'other'] : ['other']);
    },
  );

  it('leaves nothing where a rename in the middle fails', async () => {
    const names = ['model-00001-of-00005.safetensors', 'model-00002-of-00005.safetensors'];
    const renamed: string[] = [];
    const failing = async (from: string, to: string) => {
      if (renamed.length === 2) throw Object.assign(new Error('EISDIR: is a directory'), { code: 'EISDIR' });
      renamed.push(to);
      await rename(from, to);
    };
    const real = process.getBuiltinModule;
    const files = { ...(await import('node:fs/promises')), rename: failing };
    vi.spyOn(process, 'getBuiltinModule').mockImplementation(((id: string) =>
      id === 'node:fs/promises' ? files : real(id)) as typeof real);
    const failed = await writeSafetensorsSharded(folder, many(), { maxShardBytes: 20 }).catch((error) => error);
    expect(failed).toMatchObject({ name: 'SafetensorsError', code: 'EISDIR' });
    expect(renamed).toEqual(names.map(file));
    expect(await readdir(folder)).toEqual([]);
  });
});
