import { codecs, order, type SafetensorsDtype } from './dtypes';
import { duplicateName } from './duplicates';
import { isSizes, quoted, SafetensorsError, shown } from './error';
import { pulled } from './forms';

/** Where a tensor lies: bytes from `begin` to `end` of the file. */
export type HeaderEntry = { name: string; dtype: SafetensorsDtype; shape: number[]; begin: number; end: number };

/** Tensors in the order of their data, and the free strings. */
export type Header = { entries: HeaderEntry[]; metadata: Record<string, string> };

/** The limit of the reference implementation: a larger header is an attack or not a safetensors file. */
export const largestHeader = 100_000_000;

const again = 'Fix: download or write the file again';

/** Where the header ends and the tensors begin, from the first 8 bytes of a file of `size` bytes. */
export function headerEnd(first: Uint8Array, size: number): number {
  if (first.length < 8) throw new SafetensorsError(`expected at least 8 bytes, got ${first.length}. ${again}`);
  if (String.fromCharCode(...first.subarray(0, 8)) === 'version ') {
    throw new SafetensorsError(`this is a Git LFS pointer, not the file itself. ${pulled}`);
  }
  const declared = new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true);
  if (declared > BigInt(largestHeader)) {
    throw new SafetensorsError(
      `the header claims ${declared} bytes, more than ${largestHeader}: not a safetensors file. ${again}`,
    );
  }
  const end = 8 + Number(declared);
  if (end > size) {
    throw new SafetensorsError(`the header claims ${declared} bytes, the file has ${size - 8}: truncated. ${again}`);
  }
  return end;
}

/**
 * Reads and checks the header: its length, the JSON, every entry, and that the data is covered without gap or overlap.
 * Nothing is allocated that the file does not hold.
 *
 * @param bytes the file, or its beginning up to the end of the header.
 * @param size of the whole file.
 */
export function readHeader(bytes: Uint8Array, size = bytes.length): Header {
  const start = headerEnd(bytes, size);
  const text = decodeUtf8(bytes.subarray(8, start));
  const { __metadata__: strings, ...tensors } = parse(text);
  const duplicate = duplicateName(text);
  if (duplicate !== undefined) {
    throw new SafetensorsError(`${quoted(duplicate)} appears twice in one object of the header. ${again}`);
  }
  const metadata = readMetadata(strings);
  const entries = Object.entries(tensors).map(([name, entry]) => readEntry(name, entry));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCoverage(entries, size - start);
  for (const entry of entries) {
    entry.begin += start;
    entry.end += start;
  }
  return { entries, metadata };
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SafetensorsError(`the header is not UTF-8: not a safetensors file. ${again}`);
  }
}

function parse(text: string): Record<string, unknown> {
  if (!text.startsWith('{')) {
    throw new SafetensorsError(`the header does not start with '{': not a safetensors file. ${again}`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SafetensorsError(`the header is not JSON (${(error as Error).message}). ${again}`, { cause: error });
  }
}

function readMetadata(value: unknown = {}): Record<string, string> {
  if (!isRecord(value)) {
    throw new SafetensorsError(`__metadata__: expected strings by name, got ${shown(value)}. ${again}`);
  }
  for (const [name, text] of Object.entries(value)) {
    if (typeof text === 'string') continue;
    throw new SafetensorsError(`__metadata__: ${quoted(name)} is ${shown(text)}, expected a string. ${again}`);
  }
  return value as Record<string, string>;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function readEntry(name: string, value: unknown): HeaderEntry {
  const fail = (why: string, fix = again): never => {
    throw new SafetensorsError(`tensor ${quoted(name)}: ${why}. ${fix}`);
  };
  if (!isRecord(value)) return fail(`its header entry is ${shown(value)}, expected an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(codecs, dtype)) {
    return fail(`dtype ${shown(dtype)} is not one of ${order.join(', ')}`, 'Fix: save it as one of these');
  }
  if (!isSizes(shape)) return fail(`shape ${shown(shape)} is not a list of sizes`);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    return fail(`data_offsets ${shown(offsets)} is not [begin, end]`);
  }
  const [begin, end] = offsets as [number, number];
  const bytes = shape.reduce((a, b) => a * b, codecs[dtype as SafetensorsDtype].bytes);
  if (bytes !== end - begin) {
    return fail(`shape ${shown(shape)} of ${dtype} takes ${bytes} bytes, its offsets span ${end - begin}`);
  }
  return { name, dtype: dtype as SafetensorsDtype, shape, begin, end };
}

/** Entries come in the order of their data. */
function checkCoverage(entries: HeaderEntry[], available: number): void {
  let covered = 0;
  let previous = 'the header';
  for (const { name, begin, end } of entries) {
    const fail = (why: string) => {
      throw new SafetensorsError(`tensor ${quoted(name)}: ${why}. ${again}`);
    };
    if (end > available) fail(`ends at byte ${end} of ${available}: truncated`);
    if (begin < covered) fail(`overlaps ${previous} (begins at ${begin}, ${covered} is taken)`);
    if (begin > covered) fail(`${begin - covered} unused bytes before it`);
    covered = end;
    previous = quoted(name);
  }
  if (covered !== available) {
    throw new SafetensorsError(`${available - covered} bytes after the last tensor belong to none. ${again}`);
  }
}
