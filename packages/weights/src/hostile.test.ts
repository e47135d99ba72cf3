import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { duplicateName } from './duplicates';
import { decodeSafetensors, SafetensorsError } from './index';

function file(header: string, data = 0): Uint8Array {
  const json = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + json.length + data);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

function refusal(bytes: Uint8Array): string {
  try {
    decodeSafetensors(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(SafetensorsError);
    return (error as Error).message;
  }
  throw new Error('not refused');
}

const w = (fields: string) => `{"w":{${fields}}}`;
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe('headers made to do harm', () => {
  it.each([
    [
      'names twice inside an entry',
      w('"dtype":"U8","shape":[1],"shape":[4],"data_offsets":[0,4]'),
      /'shape' appears twice/,
    ],
    ['names twice in the metadata', '{"__metadata__":{"a":"1","b":"{","a":"2"}}', /'a' appears twice/],
    ['metadata twice', '{"__metadata__":{},"__metadata__":{}}', /'__metadata__' appears twice/],
    ['a byte order mark', '\uFEFF{}', /does not start with '{'/],
    ['blanks first', ' {}', /does not start with '{'/],
    ['something behind the object', '{}{}', /not JSON/],
    ['an entry that is a list', '{"w":[]}', /'w': its header entry is \[\], expected an object/],
    ['no fields', '{"w":{}}', /'w': dtype undefined is not one of/],
    ['a negative zero', w('"dtype":"U8","shape":[-0],"data_offsets":[0,0]'), /'w': shape \[0\] is not a list of sizes/],
    ['a fraction', w('"dtype":"U8","shape":[1.5],"data_offsets":[0,4]'), /shape \[1\.5\] is not/],
    [
      'a size that is not exact',
      w('"dtype":"U8","shape":[9007199254740993],"data_offsets":[0,4]'),
      /is not a list of sizes/,
    ],
    ['infinity', w('"dtype":"U8","shape":[1e999],"data_offsets":[0,4]'), /shape \[Infinity\] is not/],
    ['sizes as text', w('"dtype":"U8","shape":["4"],"data_offsets":[0,4]'), /shape \["4"\] is not/],
    [
      'three offsets',
      w('"dtype":"U8","shape":[4],"data_offsets":[0,4,8]'),
      /data_offsets \[0,4,8\] is not \[begin, end\]/,
    ],
    [
      'offsets far outside',
      w('"dtype":"U8","shape":[4503599627370496],"data_offsets":[0,4503599627370496]'),
      /truncated/,
    ],
    [
      'sizes whose product wraps 64 bits',
      w('"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]'),
      /offsets span 0/,
    ],
    ['metadata that is a list', '{"__metadata__":["a"]}', /__metadata__: expected strings by name, got \["a"\]/],
    ['metadata of null', '{"__metadata__":null}', /__metadata__: expected strings by name, got null/],
  ])('%s', (_, header, message) => {
    expect(refusal(file(header, 4))).toMatch(message);
  });

  it('nesting deeper than the stack', () => {
    expect(refusal(file(w(`"dtype":"U8","shape":${nested(200_000)},"data_offsets":[0,4]`), 4))).toMatch(
      /'w': shape \[\[…\]\] is not a list of sizes/,
    );
    expect(refusal(file(`${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`))).toMatch(/'a': dtype undefined/);
  });

  it('messages stay short and on one line, whatever a name holds', () => {
    const name = `${'x'.repeat(60)}\n\u001b[31m${'y'.repeat(1_000_000)}`;
    const message = refusal(file(JSON.stringify({ [name]: { dtype: name, shape: [], data_offsets: [0, 1] } }), 1));
    expect(message.length).toBeLessThan(500);
    expect(message).toContain(`tensor '${'x'.repeat(60)}\\n\\u001b[31m`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is the point.
    expect(message).not.toMatch(/[\u0000-\u001f]/);
    const sizes = JSON.stringify(Array(1_000_000).fill(1));
    expect(refusal(file(w(`"dtype":"U8","shape":${sizes},"data_offsets":[0,4]`), 4)).length).toBeLessThan(200);
  });

  it('checks a large header in one pass', () => {
    const text = `{"__metadata__":{"a":"${'\\\\'.repeat(2_000_000)}","b":"${'\\"'.repeat(2_000_000)}"}}${' '.repeat(1_000_000)}`;
    // work that grows with the square of the header would take hours here
    expect(decodeSafetensors(file(text)).metadata.b).toHaveLength(2_000_000);
  });

  it('names of JavaScript itself are names like any other', () => {
    const entry = (begin: number) => `{"dtype":"U8","shape":[1],"data_offsets":[${begin},${begin + 1}]}`;
    const header = `{"__proto__":${entry(0)},"constructor":${entry(1)},"__metadata__":{"__proto__":"x"}}`;
    const tensors = decodeSafetensors(file(header, 2));
    expect([...tensors.keys()]).toEqual(['__proto__', 'constructor']);
    expect(Object.entries(tensors.metadata)).toEqual([['__proto__', 'x']]);
    expect(Object.hasOwn(Object.prototype, 'dtype')).toBe(false);
  });

  it('each byte of a file changed to each of a few others: tensors that fit their shapes, or a SafetensorsError', () => {
    const original = new Uint8Array(readFileSync(new URL('../goldens/reference.safetensors', import.meta.url)));
    let refused = 0;
    for (let at = 0; at < original.length; at++) {
      for (const byte of [0, 0x22, 0x2c, 0x30, 0x39, 0x5d, 0x7d, 0xff]) {
        const bytes = original.slice();
        bytes[at] = byte;
        try {
          for (const { shape, data } of decodeSafetensors(bytes).values()) {
            if (shape.reduce((a, b) => a * b, 1) !== data.length)
              throw new Error(`byte ${at}: a shape that does not fit`);
          }
        } catch (error) {
          if (!(error instanceof SafetensorsError)) throw error;
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(3_000);
  });

  it('values that are not of their type are named', () => {
    const bytes = file(w('"dtype":"BOOL","shape":[4],"data_offsets":[0,4]'), 4);
    bytes[bytes.length - 2] = 2;
    expect(refusal(bytes)).toBe("tensor 'w': value 2 at 2 is not 0 or 1. Fix: save it as U8");
  });

  it('what is not bytes is named', () => {
    expect(refusal(new ArrayBuffer(8) as never)).toMatch(/got ArrayBuffer\. Fix: new Uint8Array\(buffer\)/);
    expect(refusal(undefined as never)).toMatch(/got Undefined/);
  });
});

describe('duplicateName', () => {
  it.each([
    ['{}', undefined],
    ['{"a":{"a":1},"b":[{"a":1},{"a":2}]}', undefined],
    ['{"a":"a","b":"a","c":["a","a"]}', undefined],
    ['{"\\\\":1,"\\"":2,"\\\\\\"":3}', undefined],
    ['{"a" \n :1,"\\u0061"\t:2}', 'a'],
    ['{"a":{"b":[{"c":1,"d":"}","c":2}]}}', 'c'],
    ['{"":1,"":2}', ''],
  ])('%s', (text, name) => {
    JSON.parse(text);
    expect(duplicateName(text)).toBe(name);
  });
});
