import { describe, expect, it } from 'vitest';
import { decodeSafetensors, encodeSafetensors, type SafetensorsInput } from './index';

const one = (input: SafetensorsInput, name = 'w') => encodeSafetensors(new Map([[name, input]]));
const floats = Float32Array.of(1, 2);

describe('what is not written', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['negative sizes', () => one({ shape: [-1, -2], data: floats }), /'w': shape \[-1,-2\] is not a list of sizes/],
    ['fractions', () => one({ shape: [0.5, 4], data: floats }), /'w': shape \[0\.5,4\] is not a list of sizes/],
    ['another size', () => one({ shape: [3], data: floats }), /shape \[3\] holds 3 values, got 2\. Fix/],
    [
      'float64 arrays',
      () => one({ shape: [1], data: Float64Array.of(1) as never }),
      /data must be .* got Float64Array/,
    ],
    ['lists', () => one({ shape: [1], data: [1] as never }), /data must be .* got Array/],
    [
      'other types',
      () => one({ dtype: 'float32', shape: [2], data: floats }),
      /dtype "float32" is not one of I64, F64, F32/,
    ],
    ['the reserved name', () => one({ shape: [2], data: floats }, '__metadata__'), /this name is reserved/],
    ['half a character', () => one({ shape: [2], data: floats }, 'a\ud800'), /half a surrogate pair/],
    ['NaN as an integer', () => one({ dtype: 'I32', shape: [1], data: Float32Array.of(Number.NaN) }), /value NaN at 0/],
    [
      'too large for I64',
      () => one({ dtype: 'I64', shape: [1], data: Float32Array.of(2 ** 31) }),
      /value 2147483648 at 0 is not a whole number of 32 bits/,
    ],
    [
      'booleans of 2',
      () => one({ dtype: 'BOOL', shape: [1], data: Int32Array.of(2) }),
      /value 2 at 0 is not a whole number of BOOL/,
    ],
    [
      'numbers in the metadata',
      () => encodeSafetensors(new Map(), { metadata: { step: 3 as never } }),
      /metadata 'step': expected a string, got 3\. Fix: String\(value\)/,
    ],
    [
      'half a character in the metadata',
      () => encodeSafetensors(new Map(), { metadata: { a: '\udc00' } }),
      /metadata 'a': its text holds half/,
    ],
  ])('%s', (_, write, message) => {
    expect(write).toThrow(
      expect.objectContaining({ name: 'SafetensorsError', message: expect.stringMatching(message) }),
    );
  });

  it('a header that no reader would take', () => {
    const metadata = { a: 'x'.repeat(100_000_000) };
    expect(() => encodeSafetensors(new Map(), { metadata })).toThrow(
      /the header takes \d+ bytes, readers allow 100000000/,
    );
  });
});

describe('what is written', () => {
  it('takes only its part of a larger buffer, and keeps NaN payloads', () => {
    const bits = Uint32Array.of(9, 0x7fc12345, 0xffc00001, 9);
    const data = new Float32Array(bits.buffer, 4, 2);
    const read = decodeSafetensors(one({ shape: [2], data })).get('w')!;
    expect([...new Uint32Array(read.data.buffer)]).toEqual([0x7fc12345, 0xffc00001]);
  });

  it('is read from a view into a larger buffer, and shares no memory with it', () => {
    const bytes = one({ shape: [2], data: floats });
    const larger = new Uint8Array(bytes.length + 3);
    larger.set(bytes, 3);
    const read = decodeSafetensors(larger.subarray(3)).get('w')!;
    larger.fill(0);
    expect(read.data).toEqual(floats);
    expect(floats).toEqual(Float32Array.of(1, 2));
  });

  it('keeps names in the order of the reference, also such as "0"', () => {
    const names = ['b', '2', '10', 'a', '__proto__', 'toJSON'];
    const tensors = new Map(names.map((name) => [name, { shape: [], data: Int8Array.of(1) }]));
    expect([...decodeSafetensors(encodeSafetensors(tensors)).keys()]).toEqual([...names].sort());
  });

  it('puts every type at a multiple of its size', () => {
    const data = Int8Array.of(1);
    const types = ['BOOL', 'U8', 'I8', 'I16', 'F16', 'BF16', 'I32', 'F32', 'F64', 'I64'];
    const bytes = encodeSafetensors(new Map(types.map((dtype) => [`${dtype}.w`, { dtype, shape: [1], data }])));
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    for (const dtype of types) {
      const [begin, end] = header[`${dtype}.w`].data_offsets;
      expect((8 + length + begin) % (end - begin), dtype).toBe(0);
      expect(decodeSafetensors(bytes).get(`${dtype}.w`)!.data[0], dtype).toBe(1);
    }
  });

  it('has the reference layout to the byte', () => {
    const bytes = encodeSafetensors(new Map([['w', { shape: [2], data: Uint8Array.of(7, 8) }]]), {
      metadata: { a: 'b' },
    });
    const header = '{"__metadata__":{"a":"b"},"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}';
    expect(bytes[0]).toBe(80);
    expect(new TextDecoder().decode(bytes.subarray(8, 88))).toBe(header.padEnd(80));
    expect([...bytes.subarray(88)]).toEqual([7, 8]);
  });
});
