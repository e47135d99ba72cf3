import { codecs, ranges, type SafetensorsData, type SafetensorsDtype } from './dtypes';
import { SafetensorsError } from './error';
import { type HeaderEntry, readHeader } from './header';

/** A tensor of a file: the type it has there, its shape, and its values as a typed array. */
export type SafetensorsEntry = { dtype: SafetensorsDtype; shape: number[]; data: SafetensorsData };

/** The tensors of a file by name; `metadata` holds its free strings. */
export class SafetensorsMap extends Map<string, SafetensorsEntry> {
  metadata: Record<string, string> = {};
}

/** What is written: `dtype` defaults to the type of the array (F32, I32, I16, I8, U8). */
export type SafetensorsInput = { dtype?: string; shape: readonly number[]; data: SafetensorsData };

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/**
 * Reads a safetensors file from its bytes. The header is checked strictly; nothing is copied that need not be converted.
 *
 * @param bytes the whole file.
 * @returns names → `{ dtype, shape, data }` in the file's order, with the file's `metadata`. F16, BF16 and F64 are read
 *   as float32 and I64 as int32, checked to fit.
 * @throws SafetensorsError naming the tensor for a truncated, overlapping or contradictory file, or an I64 that needs more bits.
 * @example
 * const bytes = encodeSafetensors(new Map([['w', { shape: [2], data: Float32Array.of(1, 2) }]]));
 * decodeSafetensors(bytes).get('w').data; // [1, 2]
 * @see https://github.com/huggingface/safetensors
 */
export function decodeSafetensors(bytes: Uint8Array): SafetensorsMap {
  const { start, entries, metadata } = readHeader(bytes);
  const tensors = new SafetensorsMap();
  tensors.metadata = metadata;
  for (const entry of entries) {
    const { name, dtype, shape } = entry;
    tensors.set(name, { dtype, shape, data: readData(bytes, start, entry) });
  }
  return tensors;
}

/** Types whose bytes in a file are their bytes in memory. */
const sameInMemory = new Set<SafetensorsDtype>(['F32', 'I32', 'I16', 'I8', 'U8', 'BOOL']);

function readData(bytes: Uint8Array, start: number, { name, dtype, begin, end }: HeaderEntry): SafetensorsData {
  const codec = codecs[dtype];
  const data = codec.create((end - begin) / codec.bytes);
  if (littleEndian && sameInMemory.has(dtype)) {
    new Uint8Array(data.buffer).set(bytes.subarray(start + begin, start + end));
  } else {
    const view = new DataView(bytes.buffer, bytes.byteOffset + start + begin, end - begin);
    const range = ranges[dtype];
    for (let i = 0; i < data.length; i++) {
      const value = codec.read(view, i * codec.bytes);
      if (range && (value < range[0] || value > range[1])) {
        throw new SafetensorsError(
          `tensor '${name}': value ${value} at ${i} does not fit into 32 bits. Fix: save it as I32 or F64`,
        );
      }
      data[i] = value;
    }
  }
  return data;
}

/**
 * Writes tensors as the bytes of a safetensors file. Tensors are ordered by alignment, then name, and start at a
 * multiple of 8 bytes from the file's beginning where their sizes allow it, as the reference implementation does.
 *
 * @param tensors names → `{ dtype, shape, data }`; `dtype` may narrow (F16, BF16) or widen (F64, I64) the array.
 * @param options `metadata`: strings by name.
 * @returns the bytes; the same input gives the same bytes.
 * @throws SafetensorsError for a shape that does not hold the values, an unknown dtype, or a value that does not fit.
 * @example
 * encodeSafetensors(new Map([['w', { shape: [1], data: Float32Array.of(1) }]]), { metadata: { format: 'pt' } }).length; // 108
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, SafetensorsInput>,
  { metadata }: { metadata?: Record<string, string> } = {},
): Uint8Array {
  const items = [...tensors].map(([name, input]) => ({ name, ...input, dtype: checkInput(name, input) }));
  items.sort((a, b) => codecs[b.dtype].bytes - codecs[a.dtype].bytes || (a.name < b.name ? -1 : 1));
  const header: Record<string, unknown> = Object.create(null);
  if (metadata) header.__metadata__ = checkMetadata(metadata);
  let offset = 0;
  for (const { name, dtype, shape, data } of items) {
    const end = offset + data.length * codecs[dtype].bytes;
    header[name] = { dtype, shape: [...shape], data_offsets: [offset, end] };
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const start = 8 + Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(start + offset).fill(0x20, 8, start);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true);
  bytes.set(json, 8);
  let at = start;
  for (const item of items) at = writeData(bytes, at, item);
  return bytes;
}

type Item = { name: string; dtype: SafetensorsDtype; data: SafetensorsData };

function writeData(bytes: Uint8Array, at: number, { name, dtype, data }: Item): number {
  const { bytes: size, write } = codecs[dtype];
  const end = at + data.length * size;
  if (littleEndian && sameInMemory.has(dtype) && dtype === dtypeOf(data)) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    return end;
  }
  const view = new DataView(bytes.buffer);
  const range = ranges[dtype];
  data.forEach((value: number, i: number) => {
    if (range && !(Number.isInteger(value) && value >= range[0] && value <= range[1])) {
      throw new SafetensorsError(
        `tensor '${name}': value ${value} at ${i} is not a whole number of ${dtype}. Fix: another dtype`,
      );
    }
    write(view, at + i * size, value);
  });
  return end;
}

function checkInput(name: string, { dtype, shape, data }: SafetensorsInput): SafetensorsDtype {
  const own = dtypeOf(data);
  if (name === '__metadata__')
    throw new SafetensorsError(`'${name}' is reserved. Fix: another name, or the metadata option`);
  if (!own)
    throw new SafetensorsError(
      `tensor '${name}': data must be a Float32Array, Int32Array, Int16Array, Int8Array or Uint8Array`,
    );
  const chosen = dtype ?? own;
  if (!Object.hasOwn(codecs, chosen)) {
    throw new SafetensorsError(`tensor '${name}': dtype '${chosen}' is not one of ${Object.keys(codecs).join(', ')}`);
  }
  const size = shape.reduce((a, b) => a * b, 1);
  if (size !== data.length) {
    throw new SafetensorsError(
      `tensor '${name}': shape [${shape}] holds ${size} values, got ${data.length}. Fix: the shape or the data`,
    );
  }
  return chosen as SafetensorsDtype;
}

function dtypeOf(data: SafetensorsData): SafetensorsDtype | undefined {
  if (data instanceof Float32Array) return 'F32';
  if (data instanceof Int32Array) return 'I32';
  if (data instanceof Int16Array) return 'I16';
  if (data instanceof Int8Array) return 'I8';
  return data instanceof Uint8Array ? 'U8' : undefined;
}

function checkMetadata(metadata: Record<string, string>): Record<string, string> {
  for (const [name, value] of Object.entries(metadata)) {
    if (typeof value !== 'string')
      throw new SafetensorsError(`metadata '${name}': expected a string, got ${typeof value}. Fix: String(value)`);
  }
  return metadata;
}
