import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import goldens from '../goldens/loader.json';
import { batches, ImageCache, resizePadCrop, type Sample } from './index';

const { resize, crop, mean, std, files, cases } = goldens;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medalign-'));
  for (const [name, data] of Object.entries(files)) await writeFile(join(folder, name), Buffer.from(data, 'base64'));
});

async function read(name: string, channels: 1 | 3, cache?: ImageCache) {
  const sample: Sample = { id: name, patientId: '', text: '', image: { kind: 'file', path: join(folder, name) } };
  const normalize = { mean: mean.slice(0, channels), std: std.slice(0, channels) };
  const transform = resizePadCrop({ resize, crop });
  for await (const batch of batches([sample], { transform, channels, normalize, cache })) return batch;
  throw new Error(`${name} was not read`);
}

describe('batches, beside Pillow and NumPy', () => {
  it.each(cases)('$name in $channels channels', async ({ name, channels, width, height, images }) => {
    const batch = await read(name, channels as 1 | 3);
    expect(batch.shape).toEqual([1, crop, crop, channels]);
    expect(batch.images.length).toBe(images.length);
    const off = images.map((value, i) => Math.abs(value - batch.images[i]!) * std[i % channels]!);
    // A level of 16 bits is 1.5e-5.
    expect(Math.max(...off)).toBeLessThan(5e-6);
    expect(batch.transforms[0]).toMatchObject({ width, height });
    const cache = new ImageCache();
    await read(name, channels as 1 | 3, cache);
    expect(cache.size).toBe(1);
    expect((await read(name, channels as 1 | 3, cache)).images).toEqual(batch.images);
  });
});
