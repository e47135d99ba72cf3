import { codecs, type SafetensorsDtype } from './dtypes';
import { SafetensorsError } from './error';

/** Where a tensor lies: bytes from `begin` to `end` after the header. */
export type HeaderEntry = { name: string; dtype: SafetensorsDtype; shape: number[]; begin: number; end: number };

/** The limit of the reference implementation: a larger header is an attack or not a safetensors file. */
const LARGEST_HEADER = 100_000_000;

const again = 'Fix: download or write the file again';

/**
 * Reads and checks the header: its length, the JSON, every entry, and that the data is covered without gap or overlap.
 *
 * @param bytes the file, or its beginning up to the end of the header.
 * @param size of the whole file.
 */
export function readHeader(
  bytes: Uint8Array,
  size = bytes.length,
): { start: number; entries: HeaderEntry[]; metadata: Record<string, string> } {
  const start = headerEnd(bytes, size);
  const text = decodeUtf8(bytes.subarray(8, start));
  const header = parse(text);
  checkDuplicates(text);
  const metadata = readMetadata(header.__metadata__);
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => readEntry(name, entry));
  checkCoverage(entries, size - start);
  return { start, entries, metadata };
}

/** Where the header ends and the tensors begin, from the first 8 bytes of a file of `size` bytes. */
export function headerEnd(first: Uint8Array, size: number): number {
  if (first.length < 8) throw new SafetensorsError(`expected at least 8 bytes, got ${first.length}. ${again}`);
  const declared = new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true);
  if (declared > BigInt(LARGEST_HEADER)) {
    throw new SafetensorsError(
      `the header claims ${declared} bytes, more than ${LARGEST_HEADER}: not a safetensors file. ${again}`,
    );
  }
  const end = 8 + Number(declared);
  if (end > size) {
    throw new SafetensorsError(`the header claims ${declared} bytes, the file has ${size - 8}: truncated. ${again}`);
  }
  return end;
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new SafetensorsError(`the header is not UTF-8: not a safetensors file. ${again}`);
  }
}

function parse(text: string): Record<string, unknown> {
  if (!text.startsWith('{'))
    throw new SafetensorsError(`the header does not start with '{': not a safetensors file. ${again}`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SafetensorsError(`the header is not JSON (${(error as Error).message}). ${again}`);
  }
}

/** JSON.parse keeps the last of two equal names in silence; which one is meant cannot be known. */
function checkDuplicates(text: string): void {
  const seen = new Set<string>();
  let depth = 0;
  for (const [token, string] of text.matchAll(/("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === '{') depth++;
    else if (token === '}') depth--;
    else if (string && depth === 1) {
      const name = JSON.parse(string) as string;
      if (seen.has(name)) throw new SafetensorsError(`'${name}' appears twice in the header. ${again}`);
      seen.add(name);
    }
  }
}

function readMetadata(value: unknown): Record<string, string> {
  if (value === undefined) return {};
  const entries = isRecord(value) ? Object.entries(value) : undefined;
  if (!entries?.every((entry): entry is [string, string] => typeof entry[1] === 'string')) {
    throw new SafetensorsError(`__metadata__: expected strings by name, got ${shown(value)}. ${again}`);
  }
  return Object.fromEntries(entries);
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
/** A value of the header as it is quoted in a message: short, whatever was in there. */
const shown = (value: unknown) => (JSON.stringify(value) ?? 'undefined').slice(0, 80);

function readEntry(name: string, value: unknown): HeaderEntry {
  const fail = (why: string): never => {
    throw new SafetensorsError(`tensor '${name}': ${why}. ${again}`);
  };
  if (!isRecord(value)) return fail('its header entry is not an object');
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(codecs, dtype)) {
    const known = Object.keys(codecs).join(', ');
    throw new SafetensorsError(
      `tensor '${name}': dtype ${shown(dtype)} is not one of ${known}. Fix: save it as one of these`,
    );
  }
  if (!isSizes(shape)) return fail(`shape ${shown(shape)} is not a list of sizes`);
  if (!isSizes(offsets) || offsets.length !== 2) return fail(`data_offsets ${shown(offsets)} is not [begin, end]`);
  const [begin, end] = offsets as [number, number];
  if (begin > end) return fail(`data_offsets ${shown(offsets)} is not [begin, end]: it ends before it begins`);
  const bytes = shape.reduce((a, b) => a * b, 1) * codecs[dtype as SafetensorsDtype].bytes;
  if (bytes !== end - begin)
    return fail(`shape [${shape}] of ${dtype} takes ${bytes} bytes, its offsets span ${end - begin}`);
  return { name, dtype: dtype as SafetensorsDtype, shape, begin, end };
}

function checkCoverage(entries: HeaderEntry[], available: number): void {
  let covered = 0;
  let previous = 'the header';
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (end > available)
      throw new SafetensorsError(`tensor '${name}': ends at byte ${end} of ${available}: truncated. ${again}`);
    if (begin < covered)
      throw new SafetensorsError(
        `tensor '${name}': overlaps '${previous}' (begins at ${begin}, ${covered} is taken). ${again}`,
      );
    if (begin > covered)
      throw new SafetensorsError(`tensor '${name}': ${begin - covered} unused bytes before it. ${again}`);
    covered = end;
    previous = name;
  }
  if (covered !== available)
    throw new SafetensorsError(`${available - covered} bytes after the last tensor belong to none. ${again}`);
}
