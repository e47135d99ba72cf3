import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeSafetensors,
  encodeSafetensors,
  readSafetensors,
  type SafetensorsInput,
  writeSafetensors,
} from './index';

const golden = new URL('../goldens/reference.safetensors', import.meta.url).pathname;

/** A file from a header written by hand. */
function file(header: unknown, data = new Uint8Array(0), declared?: bigint): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, declared ?? BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}
const entry = (dtype: string, shape: unknown, begin: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('a file of the reference implementation', () => {
  it('is read value by value', async () => {
    const tensors = await readSafetensors(golden);
    const values = (name: string) => Array.from(tensors.get(name)!.data);
    expect(tensors.metadata).toEqual({ note: 'é' });
    expect(values('f64')).toEqual([1.5, -2.25]);
    expect(tensors.get('f32')).toMatchObject({ dtype: 'F32', shape: [2, 3] });
    expect(values('f32')).toEqual([1, -0, Number.POSITIVE_INFINITY, 3.5, Math.fround(1e-40), -7]);
    expect(values('f16')).toEqual([1, 65504, 2 ** -24, -0.333251953125]);
    expect(values('bf16')).toEqual([1, -3.140625, 1.0002555517425873e30]);
    expect(tensors.get('i64')).toEqual({ dtype: 'I64', shape: [], data: Int32Array.of(7) });
    expect(values('i32')).toEqual([-2147483648, 2147483647]);
    expect(values('i16')).toEqual([-32768, 32767]);
    expect(values('i8')).toEqual([-128, 127]);
    expect(values('u8')).toEqual([0, 255, 3]);
    expect(values('bool')).toEqual([1, 0, 1]);
    expect(tensors.get('empty')).toMatchObject({ shape: [0, 4], data: new Float32Array(0) });
    expect(values('10')).toEqual([10]);
    expect(values('name é "quoted"')).toEqual([1]);
  });

  it('is written back byte for byte', async () => {
    const bytes = new Uint8Array(await readFile(golden));
    const tensors = decodeSafetensors(bytes);
    const shuffled = new Map([...tensors].reverse());
    expect(encodeSafetensors(shuffled, { metadata: tensors.metadata })).toEqual(bytes);
  });
});

describe('round trips', () => {
  const text = () => fc.string({ unit: 'binary' });
  const names = fc.uniqueArray(
    text().filter((name) => name !== '__metadata__'),
    { maxLength: 5 },
  );
  const inputs: fc.Arbitrary<SafetensorsInput> = fc
    .oneof(
      fc.float32Array({ noNaN: true, maxLength: 9 }),
      fc.int32Array({ maxLength: 9 }),
      fc.int16Array({ maxLength: 9 }),
      fc.int8Array({ maxLength: 9 }),
      fc.uint8Array({ maxLength: 9 }),
    )
    .map((data) => ({ shape: [data.length, 1], data }));

  const metadata = fc.dictionary(text(), text(), { maxKeys: 3 });

  it('return what was written, bit for bit, in the same bytes whatever the order', () => {
    fc.assert(
      fc.property(names, fc.array(inputs, { minLength: 5, maxLength: 5 }), metadata, (keys, values, strings) => {
        const tensors = new Map(keys.map((key, i) => [key, values[i]!]));
        const bytes = encodeSafetensors(tensors, { metadata: strings });
        expect((8 + Number(new DataView(bytes.buffer).getBigUint64(0, true))) % 8).toBe(0);
        expect(encodeSafetensors(new Map([...tensors].reverse()), { metadata: strings })).toEqual(bytes);
        const read = decodeSafetensors(bytes);
        expect(read.size).toBe(tensors.size);
        expect(Object.entries(read.metadata)).toEqual(Object.entries(strings));
        for (const [key, { shape, data }] of tensors) {
          expect([read.get(key)!.shape, read.get(key)!.data]).toEqual([shape, data]);
        }
      }),
    );
  });

  it('narrow and widen as asked', () => {
    const write = (dtype: string, data: SafetensorsInput['data']) =>
      Array.from(
        decodeSafetensors(encodeSafetensors(new Map([['x', { dtype, shape: [data.length], data }]]))).get('x')!.data,
      );
    expect(write('F16', Float32Array.of(1 / 3, 65519, 65520, 2 ** -25))).toEqual([
      0.333251953125,
      65504,
      Number.POSITIVE_INFINITY,
      0,
    ]);
    expect(write('BF16', Float32Array.of(1 / 3, Number.NaN))).toEqual([0.333984375, Number.NaN]);
    expect(write('F64', Float32Array.of(0.5))).toEqual([0.5]);
    expect(write('I64', Int32Array.of(-5))).toEqual([-5]);
    expect(write('BOOL', Uint8Array.of(1, 0))).toEqual([1, 0]);
    expect(() => write('I8', Int32Array.of(200))).toThrow(/'x': value 200 at 0 is not a whole number of I8/);
    expect(() => write('I32', Float32Array.of(0.5))).toThrow(/'x': value 0.5/);
  });
});

describe('a hostile or broken file', () => {
  const four = new Uint8Array(4);
  const cases: [string, Uint8Array, RegExp][] = [
    ['too short', new Uint8Array(7), /at least 8 bytes, got 7/],
    ['huge header', file('{}', undefined, 2n ** 63n), /header claims 9223372036854775808 bytes/],
    ['truncated header', file('{}', undefined, 99n), /header claims 99 bytes, the file has 2: truncated/],
    ['no JSON', file('{"a"'), /not JSON/],
    ['a pickle', file('PK zip'), /does not start with '{'/],
    [
      'not UTF-8',
      (() => {
        const b = file('{"a":1}');
        b[10] = 0xff;
        return b;
      })(),
      /not UTF-8/,
    ],
    ['truncated data', file({ w: entry('F32', [2], 0, 8) }, four), /'w': ends at byte 8 of 4: truncated/],
    ['overlap', file({ a: entry('F32', [1], 0, 4), b: entry('U8', [2], 2, 4) }, four), /'b': overlaps 'a'/],
    ['hole', file({ a: entry('U8', [1], 1, 2) }, four), /'a': 1 unused bytes before it/],
    ['rest', file({ a: entry('U8', [1], 0, 1) }, four), /3 bytes after the last tensor/],
    [
      'wrong size',
      file({ a: entry('F32', [2], 0, 4) }, four),
      /'a': shape \[2\] of F32 takes 8 bytes, its offsets span 4/,
    ],
    ['negative size', file({ a: entry('F32', [-1], 0, 4) }, four), /'a': shape \[-1\] is not a list of sizes/],
    ['overflowing size', file({ a: entry('F32', [2 ** 40, 2 ** 40], 0, 4) }, four), /'a': shape/],
    ['swapped offsets', file({ a: entry('F32', [1], 4, 0) }, four), /'a': data_offsets \[4,0\]/],
    [
      'unknown dtype',
      file({ a: entry('F8_E4M3', [4], 0, 4) }, four),
      /'a': dtype "F8_E4M3" is not one of I64, F64, F32/,
    ],
    ['inherited dtype', file({ a: entry('toString', [4], 0, 4) }, four), /'a': dtype "toString"/],
    [
      'duplicate names',
      file(
        `{"a":${JSON.stringify(entry('F32', [1], 0, 4))},"\\u0061":${JSON.stringify(entry('F32', [1], 0, 4))}}`,
        four,
      ),
      /'a' appears twice/,
    ],
    ['metadata', file({ __metadata__: { n: 3 } }), /__metadata__: 'n' is 3, expected a string/],
    [
      'wide I64',
      file({ a: entry('I64', [1], 0, 8) }, Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0)),
      /'a': value 4294967296 at 0 does not fit/,
    ],
  ];
  it.each(cases)('%s', (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes)).toThrow(
      expect.objectContaining({ name: 'SafetensorsError', message: expect.stringMatching(message) }),
    );
  });

  it('of random bytes never gives anything but a SafetensorsError or tensors', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(200), (noise, at) => {
        const bytes = file({ w: entry('F32', [1], 0, 4), __metadata__: { a: 'b' } }, four);
        bytes.set(noise.subarray(0, Math.max(0, bytes.length - at)), Math.min(at, bytes.length));
        try {
          decodeSafetensors(bytes);
        } catch (error) {
          expect((error as Error).name).toBe('SafetensorsError');
        }
      }),
    );
  });
});

describe('writing to disk', () => {
  it('replaces the file as a whole, and leaves nothing behind on an error', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weights-'));
    const path = join(folder, 'model.safetensors');
    try {
      await writeFile(path, 'old');
      const wrong = new Map([['w', { shape: [3], data: Float32Array.of(1) }]]);
      await expect(writeSafetensors(path, wrong)).rejects.toThrow(/'w': shape \[3\] holds 3 values, got 1/);
      expect(await readFile(path, 'utf8')).toBe('old');
      await writeSafetensors(path, new Map([['w', { shape: [1], data: Float32Array.of(1) }]]));
      expect((await readSafetensors(path)).get('w')!.data).toEqual(Float32Array.of(1));
      await expect(writeSafetensors(folder, new Map())).rejects.toThrow(/cannot be written/);
      expect(await readdir(folder)).toEqual(['model.safetensors']);
    } finally {
      await rm(folder, { recursive: true });
    }
    await expect(readSafetensors(path)).rejects.toThrow(/model.safetensors: ENOENT/);
  });
});
