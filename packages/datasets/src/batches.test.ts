import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type Batch,
  type BatchOptions,
  batchCount,
  batches,
  epochOrder,
  exposureJitter,
  ImageCache,
  phantomChest,
  randomStream,
  resizePadCrop,
  type Sample,
  toChannels,
} from './index';

const phantom = phantomChest({ seed: 1, patients: 11, imagesPerPatient: [1, 1] }).samples;
const transform = resizePadCrop({ resize: 20, crop: 16 });
const base: BatchOptions = { batchSize: 4, transform, channels: 1 };

async function collect(samples: readonly Sample[], options: BatchOptions): Promise<Batch[]> {
  const list: Batch[] = [];
  for await (const batch of batches(samples, options)) list.push(batch);
  return list;
}
const ids = (list: Batch[]) => list.map((batch) => batch.samples.map(({ id }) => id));

/** Grey JPEG files of different sizes, of which some are broken. */
let files: Sample[];
const broken = [2, 5];
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'medalign-'));
  files = await Promise.all(
    Array.from({ length: 9 }, async (_, i) => {
      const path = join(folder, `${i}.jpg`);
      const width = 30 + i;
      const data = Uint8Array.from({ length: width * 24 }, (_, k) => (k * 31 + i * 7) % 256);
      const jpeg = await sharp(data, { raw: { width, height: 24, channels: 1 } })
        .toColourspace('b-w')
        .jpeg()
        .toBuffer();
      await writeFile(path, broken.includes(i) ? jpeg.subarray(0, jpeg.length / 2) : jpeg);
      return { id: `image${i}`, patientId: `${i}`, text: '', image: { kind: 'file', path } } as Sample;
    }),
  );
});

describe('batches', () => {
  it('gives every sample once per epoch, in another order each epoch', async () => {
    const first = await collect(phantom, { ...base, epoch: 0 });
    expect(first.map(({ shape }) => shape)).toEqual([
      [4, 16, 16, 1],
      [4, 16, 16, 1],
      [3, 16, 16, 1],
    ]);
    expect(ids(first).flat().sort()).toEqual(phantom.map(({ id }) => id).sort());
    expect(ids(await collect(phantom, { ...base, epoch: 1 }))).not.toEqual(ids(first));
    expect(ids(await collect(phantom, { ...base, shuffle: false })).flat()).toEqual(phantom.map(({ id }) => id));
    expect((await collect(phantom, { ...base, dropLast: true })).length).toBe(batchCount(11, 4, true));
    expect(Array.from(epochOrder(11, { epoch: 1 })).map((i) => phantom[i]!.id)).toEqual(
      ids(await collect(phantom, { ...base, epoch: 1 })).flat(),
    );
  });

  it('resumes bit for bit, with random crops and exposure, whatever is fetched ahead', async () => {
    const options = { ...base, seed: 3, epoch: 2, training: true, augment: exposureJitter() };
    const whole = await collect(phantom, { ...options, prefetch: 3 });
    const rest = await collect(phantom, { ...options, prefetch: 0, start: 1 });
    expect(rest.map(({ index }) => index)).toEqual([1, 2]);
    rest.forEach((batch, i) => {
      expect(batch.images).toEqual(whole[i + 1]!.images);
      expect(batch.transforms.map((t) => t.offset)).toEqual(whole[i + 1]!.transforms.map((t) => t.offset));
    });
    const other = await collect(phantom, { ...options, epoch: 3 });
    expect(other[0]!.transforms.map((t) => t.offset)).not.toEqual(whole[0]!.transforms.map((t) => t.offset));
  });

  it('normalises, repeats grey into three channels, and averages colour into one', async () => {
    const data = Uint8Array.of(0, 255, 51, 102);
    const sample: Sample = {
      id: 'a',
      patientId: 'a',
      text: '',
      image: { kind: 'pixels', data, width: 2, height: 2, channels: 1 },
    };
    const same = resizePadCrop({ resize: 2, crop: 2 });
    const [batch] = await collect([sample], { transform: same });
    const expected = [-1, -1, -1, 1, 1, 1, -0.6, -0.6, -0.6, -0.2, -0.2, -0.2];
    const rounded = (x: Float32Array) => Array.from(x, (v) => Math.round(v * 1e6) / 1e6);
    expect(rounded(batch!.images)).toEqual(expected);
    const float = { ...sample, image: { ...sample.image, data: Float32Array.from(data, (v) => v / 255) } } as Sample;
    const [twin] = await collect([float], { transform: same });
    expect(rounded(twin!.images)).toEqual(expected);
    const rgb = { data: Uint8Array.of(255, 0, 0, 0, 255, 0), width: 2, height: 1, channels: 3 };
    expect(Array.from(toChannels(rgb, 1).data)).toEqual([76, 150]);
    const imagenet = { mean: [0.5, 0, 0], std: [0.5, 1, 2] };
    const [each] = await collect([sample], { transform: same, normalize: imagenet });
    expect(Array.from(each!.images.slice(3, 6))).toEqual([1, 1, 0.5]);
  });

  it('leaves broken images out of their batch, says so, and changes no other batch', async () => {
    const onSkip = vi.fn();
    const options = { ...base, batchSize: 3, shuffle: false, channels: 3 as const, onSkip };
    const list = await collect(files, options);
    expect(ids(list)).toEqual([
      ['image0', 'image1'],
      ['image3', 'image4'],
      ['image6', 'image7', 'image8'],
    ]);
    expect(onSkip.mock.calls.map(([{ sample }]) => sample.id)).toEqual(['image2', 'image5']);
    expect(list[0]!.skipped[0]!.error.message).toMatch(/2\.jpg: cannot decode/);
    expect(ids(await collect(files, { ...options, start: 1 }))).toEqual(ids(list).slice(1));
    expect(list[2]!.transforms[2]).toMatchObject({ width: 38, height: 24 });
  });

  it('writes to stderr without a callback, and stops above the limit with a list', async () => {
    const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const options = { ...base, shuffle: false, badImages: { limit: 1 } };
    await expect(collect(files, options)).rejects.toThrow(
      /2 images could not be decoded \(badImages.limit 1\):\n {2}image2: .*\n {2}image5: /,
    );
    expect(String(stderr.mock.calls[0])).toMatch(/skipped image2: .*2\.jpg: cannot decode/);
    const bad = broken.map((i) => files[i]!);
    await expect(collect(bad, base)).rejects.toThrow(/none of the 2 images could be decoded/);
    stderr.mockRestore();
  });

  it('stops reading when the loop is left, and never reports what was fetched ahead as unhandled', async () => {
    for await (const batch of batches(files, { ...base, batchSize: 1, shuffle: false, prefetch: 6 })) {
      expect(batch.index).toBe(0);
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  });

  it('gives the same from a cache, which stops at its limit', async () => {
    const good = files.filter((_, i) => !broken.includes(i));
    const cache = new ImageCache();
    const options = { ...base, training: true };
    const plain = await collect(good, options);
    await collect(good, { ...options, cache });
    const cached = await collect(good, { ...options, cache });
    expect(cached.map(({ images }) => images)).toEqual(plain.map(({ images }) => images));
    expect(cache.size).toBe(good.length);
    const small = new ImageCache(3000);
    await collect(good, { ...options, cache: small });
    expect(small.size).toBe(2);
    const grey = new ImageCache(3000);
    await collect(good, { ...options, channels: 3, cache: grey });
    expect(grey.size).toBe(2);
  });

  it('gives files the same batch wherever the epoch begins, with and without a cache', async () => {
    const good = files.filter((_, i) => !broken.includes(i));
    const options = { ...base, batchSize: 3, channels: 3 as const, training: true, augment: exposureJitter() };
    const whole = await collect(good, options);
    const cache = new ImageCache();
    const rest = await collect(good, { ...options, start: 1, cache });
    const again = await collect(good, { ...options, start: 1, cache, prefetch: 0 });
    expect(rest.map(({ images }) => images)).toEqual(whole.slice(1).map(({ images }) => images));
    expect(again.map(({ images }) => images)).toEqual(whole.slice(1).map(({ images }) => images));
  });

  it('shows exposure all channels of the view, which for grey are equal', async () => {
    const seen: Float32Array[] = [];
    const [sample] = files as [Sample];
    const options = { ...base, training: true, normalize: { mean: 0, std: 1 } };
    const [colour] = await collect([sample], {
      ...options,
      channels: 3,
      augment: (pixels) => {
        seen.push(pixels.slice());
        pixels[1] = 0.25;
      },
    });
    const [grey] = await collect([sample], options);
    expect(Array.from(seen[0]!)).toEqual(Array.from(grey!.images).flatMap((v) => [v, v, v]));
    expect(Array.from(colour!.images.subarray(0, 3))).toEqual([seen[0]![0], 0.25, seen[0]![2]]);
    const smooth = { ...options, augment: exposureJitter({ noise: 0 }) };
    const [one] = await collect([sample], smooth);
    const [three] = await collect([sample], { ...smooth, channels: 3 });
    expect(Array.from(three!.images)).toEqual(Array.from(one!.images).flatMap((v) => [v, v, v]));
  });

  it('names a wrong option', async () => {
    await expect(collect(phantom, { batchSize: 0 })).rejects.toThrow(/batchSize: expected a whole number >= 1, got 0/);
    await expect(collect([], {})).rejects.toThrow(/at least one sample/);
    expect(() => exposureJitter({ noise: 2 })).toThrow(/noise: expected 0 <= noise < 1, got 2/);
  });
});

describe('exposureJitter', () => {
  it('moves nothing and keeps pixels in 0…1', () => {
    const ramp = Float32Array.from({ length: 100 }, (_, i) => i / 99);
    exposureJitter({ noise: 0 })(ramp, { between: (low: number) => low } as never);
    expect(ramp.every((v, i) => v >= 0 && v <= 1 && (i === 0 || v >= ramp[i - 1]!))).toBe(true);
  });

  it('is 0.5 + shift + slope · (x ^ exponent − 0.5), cut to 0…1', () => {
    const part = fc.double({ min: 0, max: 0.99, noNaN: true });
    fc.assert(
      fc.property(part, part, part, fc.integer(), (brightness, contrast, gamma, seed) => {
        const ramp = Float32Array.from({ length: 3000 }, (_, i) => i / 2999);
        const pixels = ramp.slice();
        exposureJitter({ brightness, contrast, gamma, noise: 0 })(pixels, randomStream(seed));
        const random = randomStream(seed);
        const shift = random.between(-brightness, brightness);
        const slope = random.between(1 - contrast, 1 + contrast);
        const exponent = random.between(1 - gamma, 1 + gamma);
        const off = ramp.map((x, i) => {
          const exact = Math.min(1, Math.max(0, 0.5 + shift + slope * (x ** exponent - 0.5)));
          return Math.abs(pixels[i]! - exact);
        });
        expect(Math.max(...off)).toBeLessThan(2e-6);
      }),
      { numRuns: 50 },
    );
  });

  it('adds normal noise, another for each pixel and each image, the same for the same seed', () => {
    const grain = (seed: number) => {
      const pixels = new Float32Array(100_000).fill(0.5);
      exposureJitter({ brightness: 0, contrast: 0, gamma: 0, noise: 0.02 })(pixels, randomStream(seed));
      return pixels.map((v) => (v - 0.5) / 0.02);
    };
    const [a, b] = [grain(1), grain(2)];
    expect(grain(1)).toEqual(a);
    const mean = (of: (v: number, i: number) => number) => a.reduce((sum, v, i) => sum + of(v, i), 0) / a.length;
    expect(Math.abs(mean((v) => v))).toBeLessThan(0.02);
    expect(mean((v) => v ** 2)).toBeCloseTo(1, 1);
    expect(mean((v) => Number(Math.abs(v) < 1))).toBeCloseTo(0.683, 2);
    expect(mean((v) => Number(Math.abs(v) > 2))).toBeCloseTo(0.0455, 2);
    expect(Math.abs(mean((v, i) => v * b[i]!))).toBeLessThan(0.02);
    expect(Math.abs(mean((v, i) => v * (a[i + 1] ?? 0)))).toBeLessThan(0.02);
  });
});
