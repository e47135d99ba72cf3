import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dicomFile } from '@medalign/testing/miniatures';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeDicom, decodeImage, imageSize, readDicom } from './index';

const require = createRequire(import.meta.url);
const bytesOf = (values: ArrayBufferView) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
const grey = { Rows: 2, Columns: 3 };

describe('readDicom', () => {
  it('respects the stored bits, where they are, and the sign', async () => {
    // 12 bits stored in the low end, with rubbish (an old overlay) above them.
    const low = Uint16Array.of(0xf000, 0xa001, 0x07ff, 0x0800, 0xffff, 0x1fff);
    const unsigned = { ...grey, BitsAllocated: 16, BitsStored: 12 };
    expect(Array.from((await readDicom(dicomFile(unsigned, bytesOf(low)))).data)).toEqual([
      0, 1, 2047, 2048, 4095, 4095,
    ]);
    const signed = await readDicom(dicomFile({ ...unsigned, PixelRepresentation: 1 }, bytesOf(low)));
    expect(signed.data).toEqual(Int16Array.of(0, 1, 2047, -2048, -1, -1));
    // The same 12 bits in the high end.
    const high = low.map((v) => v << 4);
    const shifted = await readDicom(dicomFile({ ...unsigned, HighBit: 15 }, bytesOf(high)));
    expect(Array.from(shifted.data)).toEqual([0, 1, 2047, 2048, 4095, 4095]);
    const deep = Int32Array.of(-5, 0, 2 ** 31 - 1, -(2 ** 31), 7, 8);
    expect(
      (await readDicom(dicomFile({ ...grey, BitsAllocated: 32, PixelRepresentation: 1 }, bytesOf(deep)))).data,
    ).toEqual(deep);
  });

  it('puts planes pixel by pixel, spreads shared colours, and reads one frame of several', async () => {
    const colour = { Rows: 1, Columns: 2, SamplesPerPixel: 3, PhotometricInterpretation: 'RGB' };
    const planes = await readDicom(dicomFile({ ...colour, PlanarConfiguration: 1 }, Uint8Array.of(1, 2, 3, 4, 5, 6)));
    expect(Array.from(planes.data)).toEqual([1, 3, 5, 2, 4, 6]);
    const shared = { ...colour, PhotometricInterpretation: 'YBR_FULL_422' };
    const spread = await readDicom(dicomFile(shared, Uint8Array.of(10, 20, 100, 200)));
    expect([spread.photometric, ...spread.data]).toEqual(['YBR_FULL', 10, 100, 200, 20, 100, 200]);
    const film = dicomFile(
      { ...grey, NumberOfFrames: 3 },
      Uint8Array.from({ length: 18 }, (_, i) => i),
    );
    expect((await readDicom(film)).data.length).toBe(18);
    const { frames, data } = await readDicom(film, { frame: 2 });
    expect([frames, ...data]).toEqual([1, 12, 13, 14, 15, 16, 17]);
    await expect(readDicom(film, { frame: 3 })).rejects.toThrow(
      'DICOM bytes: cannot decode: frame: expected 0 … 2, got 3',
    );
  });

  it('decodes HTJ2K, and several fragments per frame by the offset table', async () => {
    const values = Uint16Array.from({ length: 64 * 48 }, (_, i) => (i * 37) % 4096);
    const codec = await require('@cornerstonejs/codec-openjph')({ print() {}, printErr() {} });
    const encoder = new codec.HTJ2KEncoder();
    encoder
      .getDecodedBuffer({
        width: 64,
        height: 48,
        bitsPerSample: 12,
        componentCount: 1,
        isSigned: false,
        isUsingColorTransform: false,
      })
      .set(bytesOf(values));
    encoder.setQuality(true, 0);
    encoder.encode();
    const frame = Uint8Array.from(encoder.getEncodedBuffer());
    encoder.delete();
    const header = { Rows: 48, Columns: 64, BitsAllocated: 16, BitsStored: 12 };
    const one = await readDicom(dicomFile(header, [frame], '1.2.840.10008.1.2.4.201'));
    expect(one.data).toEqual(values);
    const wrong = dicomFile({ ...header, Columns: 60 }, [frame], '1.2.840.10008.1.2.4.201');
    await expect(readDicom(wrong)).rejects.toThrow(
      /expected 60 × 48 × 1 as the header says, the compressed image is 64 × 48 × 1/,
    );
  });

  it('takes an unmarked JPEG for RGB where the header says so', async () => {
    const pixels = new Uint8Array(3 * 256).map((_, i) => [200, 40, 90][i % 3]!);
    // sharp writes no JFIF segment (FF E0): nothing in the stream tells how the colours are stored.
    const unmarked = await sharp(pixels, { raw: { width: 16, height: 16, channels: 3 } })
      .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
      .toBuffer();
    expect(unmarked[3]).not.toBe(0xe0);
    const decode = async (photometric: string) => {
      const header = {
        Rows: 16,
        Columns: 16,
        SamplesPerPixel: 3,
        PhotometricInterpretation: photometric,
        PlanarConfiguration: 0,
      };
      return readDicom(dicomFile(header, [unmarked], '1.2.840.10008.1.2.4.50'));
    };
    const [r, g, b] = (await decode('YBR_FULL')).data;
    expect(Math.max(Math.abs(r! - 200), Math.abs(g! - 40), Math.abs(b! - 90))).toBeLessThan(3);
    // The stream itself holds YCbCr: 0.299 R + 0.587 G + 0.114 B, 128 + 0.564 (B − Y), 128 + 0.713 (R − Y).
    const [y, cb, cr] = (await decode('RGB')).data;
    expect(Math.max(Math.abs(y! - 93.5), Math.abs(cb! - 126), Math.abs(cr! - 203.9))).toBeLessThan(3);
  });

  it('fails cleanly, and the next file decodes', async () => {
    const jpeg = await sharp(
      new Uint8Array(4096).map((_, i) => i % 251),
      { raw: { width: 64, height: 64, channels: 1 } },
    )
      .toColourspace('b-w')
      .jpeg()
      .toBuffer();
    const header = { Rows: 64, Columns: 64 };
    const whole = dicomFile(header, [jpeg], '1.2.840.10008.1.2.4.50');
    await expect(readDicom(dicomFile(header, [new Uint8Array(40)], '1.2.840.10008.1.2.4.90'))).rejects.toThrow(
      /the compressed image is 0 × 0 × 0/,
    );
    await expect(readDicom(dicomFile(header, [new Uint8Array(40)], '1.2.840.10008.1.2.4.50'))).rejects.toThrow(
      /not a JPEG/,
    );
    await expect(readDicom(dicomFile(header, [new Uint8Array(70)], '1.2.840.10008.1.2.5'))).rejects.toThrow(
      /RLE: expected 1 segments/,
    );
    await expect(readDicom(dicomFile(header, [jpeg], '1.2.840.10008.1.2.4.100'))).rejects.toThrow(
      /transfer syntax 1\.2\.840\.10008\.1\.2\.4\.100 is not supported; expected an uncompressed one or 1\.2\.840/,
    );
    await expect(readDicom(dicomFile(header, new Uint8Array(100)))).rejects.toThrow(
      /has 100 bytes, frame 0 needs 4096: it is truncated/,
    );
    await expect(readDicom(whole.subarray(0, whole.length - 200))).rejects.toThrow(/truncated|not a whole/);
    await expect(
      readDicom(dicomFile({ ...header, BitsAllocated: 8, BitsStored: 9 }, new Uint8Array(4096))),
    ).rejects.toThrow(/expected 8, 16 or 32 bits allocated .* got 8 allocated, 9 stored/);
    const { data } = await readDicom(whole);
    expect(Array.from(data)).toEqual(
      Array.from((await sharp(jpeg).toColourspace('b-w').raw().toBuffer()) as Uint8Array),
    );
  });

  it('is read by decodeImage and imageSize, with or without its ending', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'medalign-'));
    const file = dicomFile(grey, Uint8Array.of(0, 51, 102, 153, 204, 255));
    for (const name of ['scan.dcm', 'IM0001', 'scan.dicom']) {
      const path = join(folder, name);
      await writeFile(path, file);
      expect(await imageSize(path)).toEqual({ width: 3, height: 2 });
      expect(await decodeImage(path, { dicom: { depth: 8 } })).toEqual(await decodeDicom(file, { depth: 8 }));
    }
    const pointer = join(folder, 'pointer.dcm');
    await writeFile(pointer, `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 12\n`);
    await expect(decodeImage(pointer)).rejects.toThrow(
      /pointer\.dcm: cannot decode the image: it is a Git-LFS pointer/,
    );
    const none = await decodeImage(join(folder, 'none.dcm')).catch((error) => error);
    expect(none.message.match(/none\.dcm: cannot decode/g)).toHaveLength(1);
  });
});

const root = process.env.MEDALIGN_DATA ?? fileURLToPath(new URL('../../../../shared/data', import.meta.url));
const real = join(root, 'dicom');
const present = existsSync(join(real, 'expected.csv'));
if (!present)
  console.warn(`NOT TESTED on real data: ${real} is absent. Set MEDALIGN_DATA to the folder that holds dicom.`);
const rows = present
  ? readFileSync(join(real, 'expected.csv'), 'utf8')
      .trim()
      .split(/\r?\n/)
      .slice(1)
      .map((line) => ({ file: line.split(',')[0]!, sha256: line.split(',').at(-1)!, line }))
  : [];

describe.skipIf(!present)('readDicom on real files of most transfer syntaxes', () => {
  it('covers the whole list', () => {
    expect(rows.length).toBe(31);
    expect(rows.filter(({ sha256 }) => sha256 === '').map(({ file }) => file)).toEqual([
      'MR_truncated.dcm',
      'no_meta.dcm',
    ]);
  });

  it.each(rows.filter(({ sha256 }) => sha256 !== ''))('$file: the listed pixels', async ({ file, sha256, line }) => {
    const path = join(real, file);
    const { data, width, height, samples, frames } = await readDicom(path);
    expect(createHash('sha256').update(bytesOf(data)).digest('hex')).toBe(sha256);
    const shape = [frames, height, width, samples].filter((n, i) => n !== 1 || i === 1 || i === 2).join('x');
    expect(line).toContain(`,${shape},${data.constructor.name.replace('Array', '').toLowerCase()},`);
    // The largest are decoded once: the way from values to pixels is the same.
    if (data.length > 2 ** 21) return;
    const raster = await decodeImage(path);
    expect([raster.width, raster.height, raster.data.length]).toEqual([
      width,
      height,
      width * height * raster.channels,
    ]);
    expect(await imageSize(path)).toEqual({ width, height });
  });

  it.each([
    ['MR_truncated.dcm', /pixel data should end at byte 9692, the file at 9630: it is truncated/],
    ['no_meta.dcm', /not a DICOM file: expected 'DICM' at byte 128/],
  ])('%s: fails cleanly', async (file, why) => {
    await expect(readDicom(join(real, file))).rejects.toThrow(why);
    await expect(decodeImage(join(real, file))).rejects.toThrow(why);
  });

  it.each([
    'MR2_J2KI.dcm',
    'MR_small_jpeg_ls_lossless.dcm',
    'JPEG-LL.dcm',
    'JPGExtended.dcm',
    'examples_ybr_color.dcm',
    'MR_small_RLE.dcm',
  ])('%s: a compressed image cut short is an error, not grey', async (file) => {
    const path = join(real, file);
    const { width, height, samples, bitsAllocated, bitsStored, transferSyntax } = await readDicom(path, { frame: 0 });
    const { parseDicom } = require('dicom-parser');
    const bytes = await readFile(path);
    const { fragments } = parseDicom(bytes).elements.x7fe00010;
    // All fragments of a still, the first of a film, less their last twentieth.
    const own = file === 'examples_ybr_color.dcm' ? fragments.slice(0, 1) : fragments;
    const stream = Buffer.concat(
      own.map((f: { position: number; length: number }) => bytes.subarray(f.position, f.position + f.length)),
    );
    const header = {
      Rows: height,
      Columns: width,
      SamplesPerPixel: samples,
      BitsAllocated: bitsAllocated,
      BitsStored: bitsStored,
    };
    const cut = dicomFile(
      { ...header, PlanarConfiguration: 0 },
      [stream.subarray(0, 2 * Math.floor(0.475 * stream.length))],
      transferSyntax,
    );
    await expect(readDicom(cut)).rejects.toThrow(/broken|truncated|0 × 0 × 0/);
  });

  it('leaves the bytes it was given as they were', async () => {
    const bytes = await readFile(join(real, 'JPEG-LL.dcm'));
    const before = createHash('sha256').update(bytes).digest('hex');
    await readDicom(bytes);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(before);
  });
});
