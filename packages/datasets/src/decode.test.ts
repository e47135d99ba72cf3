import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeImage, imageSize, isLfsPointer, toChannels } from './index';

let folder: string;
const at = (name: string) => join(folder, name);
const raw = (data: number[], width: number, height: number, channels: 1 | 3 | 4) =>
  sharp(Uint8Array.from(data), { raw: { width, height, channels } });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medalign-'));
});

describe('decodeImage', () => {
  it('keeps grey grey', async () => {
    await raw([0, 50, 100, 255], 2, 2, 1).toColourspace('b-w').png().toFile(at('grey.png'));
    expect(await decodeImage(at('grey.png'))).toEqual({
      data: Uint8Array.of(0, 50, 100, 255),
      width: 2,
      height: 2,
      channels: 1,
    });
  });

  it('reads 16-bit grey as 0…1 without losing depth', async () => {
    const values = Uint16Array.of(0, 257, 1000, 65535);
    await sharp(values, { raw: { width: 2, height: 2, channels: 1 } })
      .toColourspace('grey16')
      .png()
      .toFile(at('deep.png'));
    const { data, channels } = await decodeImage(at('deep.png'));
    expect(channels).toBe(1);
    expect(Array.from(data, (v) => Math.round(v * 65535))).toEqual([0, 257, 1000, 65535]);
  });

  it('turns a palette into colours and lays transparency on black', async () => {
    const colours = Array.from({ length: 16 * 16 }, (_, i) => (i % 2 ? [255, 0, 0] : [0, 0, 255])).flat();
    await raw(colours, 16, 16, 3).png({ palette: true, colours: 4, dither: 0 }).toFile(at('palette.png'));
    const palette = await decodeImage(at('palette.png'));
    expect([palette.channels, ...palette.data.slice(0, 6)]).toEqual([3, 0, 0, 255, 255, 0, 0]);
    await raw([200, 100, 50, 0, 200, 100, 50, 255], 2, 1, 4).png().toFile(at('alpha.png'));
    expect((await decodeImage(at('alpha.png'))).data).toEqual(Uint8Array.of(0, 0, 0, 200, 100, 50));
  });

  it('turns CMYK into RGB', async () => {
    await raw(new Array(64 * 3).fill(200), 8, 8, 3)
      .toColourspace('cmyk')
      .jpeg({ quality: 100 })
      .toFile(at('cmyk.jpg'));
    const { channels, data } = await decodeImage(at('cmyk.jpg'));
    expect(channels).toBe(3);
    expect(Math.abs(data[0]! - 200)).toBeLessThan(12);
  });

  it('turns an image upright by its EXIF orientation', async () => {
    await raw([10, 20, 30, 40, 50, 60], 3, 2, 1)
      .toColourspace('b-w')
      .withMetadata({ orientation: 6 })
      .png()
      .toFile(at('turned.png'));
    const image = await decodeImage(at('turned.png'));
    expect([image.width, image.height]).toEqual([2, 3]);
    expect(Array.from(toChannels(image, 1).data)).toEqual([40, 10, 50, 20, 60, 30]);
    expect(await imageSize(at('turned.png'))).toEqual({ width: 2, height: 3 });
  });

  it('names the file and the reason: truncated, not an image, missing, a Git-LFS pointer', async () => {
    const noise = Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 256);
    const jpeg = await raw(noise, 64, 64, 3).jpeg().toBuffer();
    await writeFile(at('cut.jpg'), jpeg.subarray(0, jpeg.length / 2));
    await expect(decodeImage(at('cut.jpg'))).rejects.toThrow(/cut\.jpg: cannot decode the image/);
    await writeFile(at('text.png'), 'hello');
    await expect(decodeImage(at('text.png'))).rejects.toThrow(/text\.png: cannot decode/);
    await expect(decodeImage(at('none.png'))).rejects.toThrow(/none\.png: cannot decode/);
    await writeFile(
      at('lfs.png'),
      `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 12\n`,
    );
    await expect(decodeImage(at('lfs.png'))).rejects.toThrow(/Git-LFS pointer.*git lfs pull/);
    expect(await isLfsPointer(at('lfs.png'))).toBe(true);
    expect((await readFile(at('text.png'))).length).toBe(5);
  });
});
