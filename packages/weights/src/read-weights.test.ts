import { mkdir, mkdtemp, open, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import golden from '../goldens/checkpoints/expected.json';
import { encodeSafetensors, readSafetensors, readWeights, type SafetensorsInput, WeightsError } from './index';
import { dict, legacy, pickle, tensor, torchZip } from './testing/torch-file';

const goldens = new URL('../goldens/checkpoints/', import.meta.url).pathname;

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
const putJson = (name: string, value: unknown) => put(name, JSON.stringify(value));
const safe = (name: string, ...values: number[]) => encodeSafetensors(new Map([[name, floats(...values)]]));
const refusal = async (promise: Promise<unknown>): Promise<string> => {
  const error = await promise.then(() => 'not refused').catch((error) => error);
  expect(error).toBeInstanceOf(WeightsError);
  expect(error.message).toMatch(/Fix: |E[A-Z]{4,}/);
  return error.message;
};

describe('a folder', () => {
  const forms: [string, () => Uint8Array | Promise<Uint8Array>][] = [
    ['open_clip_pytorch_model.bin', () => legacy(dict({ five: tensor() }))],
    ['open_clip_model.safetensors', () => safe('four', 1)],
    ['pytorch_model.bin', () => torchZip(pickle(dict({ two: tensor() })))],
    ['model.safetensors', () => safe('one', 1)],
  ];

  it('is searched in the order that is documented', async () => {
    const seen: string[][] = [];
    for (const [name, make] of forms) {
      await put(name, await make());
      const read = await readWeights(folder);
      seen.push([...read.keys(), ...read.source]);
    }
    expect(seen).toEqual([
      ['five', file('open_clip_pytorch_model.bin')],
      ['four', file('open_clip_model.safetensors')],
      ['two', file('pytorch_model.bin')],
      ['one', file('model.safetensors')],
    ]);
    await putJson('model.safetensors.index.json', { weight_map: {} });
    expect([...(await readWeights(folder)).keys()]).toEqual(['one']);
    await rm(file('model.safetensors'));
    expect((await readWeights(folder)).source).toEqual([file('model.safetensors.index.json')]);
  });

  it('without weights is refused with what was looked for and what is there', async () => {
    expect(await refusal(readWeights(folder))).toMatch(/Looked for model\.safetensors, .*; there is nothing\. Fix/);
    for (let i = 0; i < 30; i++) await put(`note-${i}.txt`, '');
    expect(await refusal(readWeights(folder))).toMatch(/there is 'note-0\.txt', .* and 10 more\. Fix/);
    await expect(readWeights(file('none'))).rejects.toMatchObject({ name: 'WeightsError', code: 'ENOENT' });
  });
});

describe('a file', () => {
  it('is known by its content, not by its name', async () => {
    await put('model.bin', safe('a', 1, 2));
    await put('b.safetensors', legacy(dict({ 'module.b': tensor() })));
    expect((await readWeights(file('model.bin'))).get('a')!.shape).toEqual([2]);
    const read = await readWeights(file('b.safetensors'));
    expect([read.prefix, ...read.keys()]).toEqual(['module.', 'b']);
    expect([...(await readWeights(safe('a', 1))).keys()]).toEqual(['a']);
    expect((await readWeights(new Uint8Array(await readFile(`${goldens}wrapped.pt`)))).key).toBe('model');
  });

  it.each([
    ['version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n', /Git LFS pointer.*Fix: git lfs pull/],
    ['<!DOCTYPE html><html>', /a web page.*Fix: download it again/],
    ['', /is empty/],
    ['\x1f\x8b\x08', /compressed with gzip/],
    [`${'storages'.padEnd(257, '\0')}ustar  \0`, /a tar archive, .*before 0\.1\.10\. Fix: load/],
    ['hello there', /bytes 68 65 6c 6c 6f 20 74 68: neither/],
  ])('that is something else is named: %j', async (content, message) => {
    await writeFile(file('model.safetensors'), content, 'latin1');
    expect(await refusal(readWeights(folder))).toMatch(message);
    expect(await refusal(readWeights(Buffer.from(content, 'latin1')))).toMatch(message);
  });

  it('of Keras, and an index as bytes', async () => {
    expect(await refusal(readWeights(Uint8Array.of(0x89, 0x48, 0x44, 0x46, 13, 10)))).toMatch(/HDF5/);
    expect(await refusal(readWeights(new TextEncoder().encode(' {"weight_map":{}}')))).toMatch(/an index where/);
  });

  it('LFS pointers are named by the reader of safetensors too', async () => {
    await put('a', 'version https://git-lfs.github.com/spec/v1\n');
    expect(await refusal(readSafetensors(file('a')))).toMatch(/Git LFS pointer.*git lfs pull/);
  });
});

describe('sharded weights', () => {
  const index = (map: unknown, metadata?: unknown) =>
    putJson('model.safetensors.index.json', { weight_map: map, metadata });

  it('of PyTorch are read through their index', async () => {
    const read = await readWeights(`${goldens}sharded`);
    const plain = [...read].map(([name, { dtype, shape, data }]) => ({ name, dtype, shape, data: [...data] }));
    expect(plain).toEqual(golden.head);
    expect(read.source.map((path) => path.slice(goldens.length))).toEqual([
      'sharded/pytorch_model.bin.index.json',
      'sharded/pytorch_model-00001-of-00002.bin',
      'sharded/pytorch_model-00002-of-00002.bin',
    ]);
  });

  it('keep their texts; prefixes are those of all names together', async () => {
    await put(
      '1',
      encodeSafetensors(new Map([['module.a', floats(1)]]), { metadata: { format: 'pt', __proto__x: 'y' } }),
    );
    await put('2', safe('module.b', 2));
    await index({ 'module.a': '1', 'module.b': '2' }, { total_size: 8, note: 'n', list: [1] });
    const read = await readWeights(folder);
    expect([read.prefix, ...read.keys()]).toEqual(['module.', 'a', 'b']);
    expect(read.metadata).toEqual({ format: 'pt', __proto__x: 'y', note: 'n' });
    await put('2', safe('b', 2));
    await index({ 'module.a': '1', b: '2' });
    expect([...(await readWeights(folder)).keys()]).toEqual(['module.a', 'b']);
  });

  it('may be links, as in the cache of Hugging Face', async () => {
    await mkdir(file('blobs'));
    await put('blobs/x', safe('a', 1));
    await symlink(file('blobs/x'), file('1'));
    await index({ a: '1' });
    expect((await readWeights(folder)).size).toBe(1);
  });

  it.each([
    ['../x', /'a' is in "\.\.\/x", expected the name of a file beside the index/],
    ['/etc/passwd', /is in "\/etc\/passwd"/],
    ['sub/x', /is in "sub\/x"/],
    ['..\\x', /expected the name of a file/],
    ['C:x', /expected the name of a file/],
    ['..', /expected the name of a file/],
    ['.', /expected the name of a file/],
    ['', /expected the name of a file/],
    ['a\0', /expected the name of a file/],
    [3, /is in 3, expected/],
    [null, /is in null/],
  ])('that lead out of the folder are refused: %j', async (name, message) => {
    await put('model.safetensors.index.json', `{"weight_map":{"a":${JSON.stringify(name)}}}`);
    expect(await refusal(readWeights(folder))).toMatch(message);
  });

  it.each([
    ['{"weight_map":{"a":"1"},"weight_map":{"b":"2"}}', /'weight_map' appears twice/],
    ['{"weight_map":{"a":"1","a":"2"}}', /'a' appears twice in the index/],
    ['{"weight_map":{"a":"1"}', /the index is not JSON/],
    ['{"weight_map":[]}', /expected file names by tensor in weight_map, got \[\]/],
    ['{}', /weight_map, got undefined/],
  ])('with a broken index: %s', async (content, message) => {
    await put('model.safetensors.index.json', content);
    expect(await refusal(readWeights(folder))).toMatch(message);
  });

  it('that are missing, lack a tensor or have another are refused', async () => {
    await put('1', safe('a', 1));
    await index({ a: '1', b: '2' });
    const opened = vi.spyOn(Object.getPrototypeOf(await handle()), 'read');
    expect(await refusal(readWeights(folder))).toMatch(/index\.json: it names '2', which cannot be read \(ENOENT/);
    // The first shard was not touched: only the index was read, its beginning and the whole of it.
    expect(opened.mock.calls.length).toBe(2);
    await expect(readWeights(folder)).rejects.toMatchObject({ code: 'ENOENT' });
    await put('2', safe('c', 1));
    expect(await refusal(readWeights(folder))).toMatch(/'2' lacks 'b' of the index\. Fix: the index and its files/);
    await index({ a: '1', c: '2', d: '2', e: '2' });
    expect(await refusal(readWeights(folder))).toMatch(/'2' lacks 'd', 'e' of the index/);
    const both = new Map([...'cxyzuvw'].map((name) => [name, floats(1)]));
    await put('2', encodeSafetensors(both));
    await index({ a: '1', c: '2' });
    expect(await refusal(readWeights(folder))).toMatch(
      /'2' holds 'u', 'v', 'w', 'x', 'y' and 1 more, which the index does/,
    );
    await put('2', 'version https://git-lfs.github.com/spec/v1\n');
    expect(await refusal(readWeights(folder))).toMatch(/\/2: this is a Git LFS pointer/);
    await putJson('2', { weight_map: { c: '2' } });
    expect(await refusal(readWeights(folder))).toMatch(/\/2: an index where a file with tensors is expected/);
  });

  const handle = async () => {
    const opened = await open(file('1'));
    await opened.close();
    return opened;
  };

  it('names of JavaScript are names', async () => {
    await put('1', safe('__proto__', 1));
    await put('model.safetensors.index.json', '{"weight_map":{"__proto__":"1"}}');
    expect([...(await readWeights(folder)).keys()]).toEqual(['__proto__']);
  });
});
