import { codecs, type SafetensorsData, type SafetensorsDtype } from './dtypes';
import { type ErrorKind, quoted, SafetensorsError } from './error';
import { type HeaderEntry, readHeader } from './header';

/** A tensor of a file: the type it has there, its shape, and its values as a typed array. */
export type SafetensorsEntry = { dtype: SafetensorsDtype; shape: number[]; data: SafetensorsData };

/**
 * The tensors of a file by name: a Map with one thing more, `metadata`, the file's free strings by name.
 *
 * @example
 * const bytes = encodeSafetensors(new Map([['w', { shape: [1], data: Int8Array.of(5) }]]), { metadata: { step: '3' } });
 * decodeSafetensors(bytes) instanceof SafetensorsMap; // true
 * decodeSafetensors(bytes).metadata; // {"step":"3"}
 */
export class SafetensorsMap extends Map<string, SafetensorsEntry> {
  metadata: Record<string, string> = {};
}

/**
 * Reads a safetensors file from its bytes: an 8-byte length, a JSON header, the data. The header is checked strictly.
 *
 * @param bytes the whole file; it is copied from, so the values are the caller's.
 * @returns names → `{ dtype, shape, data }` in the order of the data, with the file's `metadata`. F16, BF16 and F64 are read
 *   as float32, I64 as int32, checked to fit, BOOL as 0 and 1; `dtype` says what the file has.
 * @throws {SafetensorsError} naming the tensor and the fix: a truncated file, overlapping or unused bytes, offsets outside, a
 *   shape that is not what its bytes hold, a header above 100 MB, a name that appears twice, a type that is not
 *   known, an I64 that needs more than 32 bits, a BOOL other than 0 and 1.
 * @example
 * const bytes = encodeSafetensors(new Map([['w', { shape: [2], data: Float32Array.of(1, 2) }]]));
 * decodeSafetensors(bytes).get('w')!.data; // [1, 2]
 * @see https://github.com/huggingface/safetensors
 */
export function decodeSafetensors(bytes: Uint8Array): SafetensorsMap {
  checkBytes(bytes);
  const { entries, metadata } = readHeader(bytes);
  const tensors = new SafetensorsMap();
  tensors.metadata = metadata;
  for (const entry of entries) {
    const { buffer } = new Uint8Array(bytes.subarray(entry.begin, entry.end));
    tensors.set(entry.name, toEntry(entry, buffer));
  }
  return tensors;
}

/** A tensor from a buffer that holds its bytes and nothing else, and is taken over. */
export function toEntry(
  { name, dtype, shape }: Pick<HeaderEntry, 'name' | 'dtype' | 'shape'>,
  buffer: ArrayBuffer,
  Kind: ErrorKind = SafetensorsError,
): SafetensorsEntry {
  const data = codecs[dtype].read(buffer, (index, value, why) => {
    throw new Kind(`tensor ${quoted(name)}: value ${value} at ${index} ${why}`);
  });
  return { dtype, shape, data };
}

/** Throws saying what came instead of bytes. */
export function checkBytes(bytes: unknown, Kind: ErrorKind = SafetensorsError): asserts bytes is Uint8Array {
  const tag = Object.prototype.toString.call(bytes).slice(8, -1);
  if (tag !== 'Uint8Array') {
    throw new Kind(`expected the bytes of a file as a Uint8Array, got ${tag}. Fix: new Uint8Array(buffer)`);
  }
}
