import { codecs, dtypeOf, order, type SafetensorsData, type SafetensorsDtype } from './dtypes';
import { isSizes, quoted, SafetensorsError, shown } from './error';
import { largestHeader } from './header';

/** What is written: `dtype` defaults to the type of the array (F32, I32, I16, I8, U8). */
export type SafetensorsInput = { dtype?: string; shape: readonly number[]; data: SafetensorsData };

/** How a file is written: `metadata` are free strings by name. */
export type SafetensorsOptions = { metadata?: Record<string, string> };

/**
 * Writes tensors as the bytes of a safetensors file. Tensors are ordered by type (larger elements first), then by name, behind
 * a header padded to 8 bytes: every tensor lies at a multiple of its element's size, and the bytes are those of the
 * reference implementation.
 *
 * @param tensors names → `{ dtype, shape, data }`. `dtype` may differ from the array's own: F16 and BF16 round to the nearest
 *   and beyond their range to infinity, as PyTorch does; integers must be whole and fit; F64 and I64 widen.
 * @param options `metadata`: strings by name.
 * @returns the bytes; the same tensors give the same bytes in any order.
 * @throws {SafetensorsError} naming the tensor and the fix: a shape that does not hold the values, an unknown dtype, a
 *   value that does not fit, a name or string that is reserved or not valid Unicode.
 * @example
 * const bytes = encodeSafetensors(new Map([['w', { dtype: 'F16', shape: [1], data: Float32Array.of(1 / 3) }]]));
 * bytes.length; // 66
 * decodeSafetensors(bytes).get('w')!.data; // [0.33325195]
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, SafetensorsInput>,
  options: SafetensorsOptions = {},
): Uint8Array {
  const { header, items, size } = plan(tensors, options);
  const bytes = new Uint8Array(size);
  bytes.set(header);
  let at = header.length;
  for (const item of items) {
    const part = toBytes(item);
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A tensor that was checked, with the type it gets. */
export type Item = { name: string; dtype: SafetensorsDtype; shape: readonly number[]; data: SafetensorsData };

/** The header with its length before it, the tensors in the order of the file, and the size of it all. */
export type Plan = { header: Uint8Array; items: Item[]; size: number };

export function plan(tensors: ReadonlyMap<string, SafetensorsInput>, options: SafetensorsOptions): Plan {
  return planItems(checkItems(tensors), options);
}

/** Tensors that were checked, in the caller's order. */
export function checkItems(tensors: ReadonlyMap<string, SafetensorsInput>): Item[] {
  return [...tensors].map(([name, input]) => toItem(name, input));
}

/** Bytes of a tensor in the file. */
export const sizeOf = ({ dtype, data }: Item) => data.length * codecs[dtype].bytes;

export function planItems(checked: Item[], { metadata }: SafetensorsOptions): Plan {
  const items = checked.toSorted(
    (a, b) => order.indexOf(a.dtype) - order.indexOf(b.dtype) || (a.name < b.name ? -1 : 1),
  );
  const fields = metadata ? [field('__metadata__', checkMetadata(metadata))] : [];
  let offset = 0;
  for (const item of items) {
    const { name, dtype, shape } = item;
    const end = offset + sizeOf(item);
    fields.push(field(name, { dtype, shape, data_offsets: [offset, end] }));
    offset = end;
  }
  const header = frame(new TextEncoder().encode(`{${fields.join(',')}}`));
  return { header, items, size: header.length + offset };
}

/** Joined by hand: an object would move names like "0" to the front. */
const field = (name: string, value: unknown) => `${JSON.stringify(name)}:${JSON.stringify(value)}`;

/** Length, JSON, and spaces up to a multiple of 8 bytes. */
function frame(json: Uint8Array): Uint8Array {
  const length = Math.ceil(json.length / 8) * 8;
  if (length > largestHeader) {
    throw new SafetensorsError(
      `the header takes ${length} bytes, readers allow ${largestHeader}. Fix: shorter metadata, or several files`,
    );
  }
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, 8);
  return header;
}

/** The bytes of a tensor as they lie in the file: a view of its data where they are the same. */
export function toBytes({ name, dtype, data }: Item): Uint8Array {
  const view =
    dtypeOf(data) === dtype
      ? data
      : codecs[dtype].write(data, (index, value, why) => {
          throw new SafetensorsError(`tensor ${quoted(name)}: value ${value} at ${index} ${why}`);
        });
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function toItem(name: string, input: SafetensorsInput): Item {
  const fail = (why: string): never => {
    throw new SafetensorsError(`tensor ${quoted(name)}: ${why}`);
  };
  if (name === '__metadata__') fail('this name is reserved. Fix: another name, or the metadata option');
  checkText(name, `tensor ${quoted(name)}: its name`);
  const { data } = input;
  // Read once, and copied: what is checked is what is written.
  const shape = [...input.shape];
  const own = dtypeOf(data);
  if (!own) {
    const got = Object.prototype.toString.call(data).slice(8, -1);
    return fail(`data must be a Float32Array, Int32Array, Int16Array, Int8Array or Uint8Array, got ${got}`);
  }
  const dtype = input.dtype ?? own;
  if (!Object.hasOwn(codecs, dtype)) fail(`dtype ${shown(dtype)} is not one of ${order.join(', ')}`);
  if (!isSizes(shape)) fail(`shape ${shown(shape)} is not a list of sizes`);
  const length = shape.reduce((a, b) => a * b, 1);
  if (length !== data.length) {
    fail(`shape ${shown(shape)} holds ${length} values, got ${data.length}. Fix: the shape or the data`);
  }
  return { name, dtype: dtype as SafetensorsDtype, shape, data };
}

function checkMetadata(metadata: Record<string, string>): Record<string, string> {
  for (const [name, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') {
      throw new SafetensorsError(
        `metadata ${quoted(name)}: expected a string, got ${shown(value)}. Fix: String(value)`,
      );
    }
    checkText(name, `metadata ${quoted(name)}: its name`);
    checkText(value, `metadata ${quoted(name)}: its text`);
  }
  return metadata;
}

/** Half of a surrogate pair has no UTF-8; other readers refuse the whole file. */
function checkText(text: string, what: string): void {
  if (/\p{Surrogate}/u.test(text)) {
    throw new SafetensorsError(`${what} holds half a surrogate pair, which is not Unicode. Fix: text.toWellFormed()`);
  }
}
