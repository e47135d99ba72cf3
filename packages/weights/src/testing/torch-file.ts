import { Uint8ArrayReader, Uint8ArrayWriter, ZipWriter } from '@zip.js/zip.js/lib/zip-core-custom.js';

/** Parts of a pickle, written opcode by opcode: what PyTorch would never write can be written too. */
export type Part = number | readonly number[];

const utf8 = (value: string) => [...new TextEncoder().encode(value)];

/** Little endian. */
export function le(value: number | bigint, width: number): number[] {
  return Array.from({ length: width }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
}

export const text = (value: string) => [0x58, ...le(utf8(value).length, 4), ...utf8(value)];
/** As a str of Python 2. */
export const oldText = (value: string) => [0x55, utf8(value).length, ...utf8(value)];
export const int = (value: number) =>
  Math.abs(value) < 2 ** 31 ? [0x4a, ...le(value, 4)] : [0x8a, 9, ...le(BigInt(value), 9)];
export const global = (module: string, name: string) => [0x63, ...utf8(`${module}\n${name}\n`)];
export const tuple = (...parts: Part[]) => [0x28, ...parts.flat(), 0x74];
export const call = (callee: readonly number[], ...args: Part[]) => [...callee, ...tuple(...args), 0x52];
export const dict = (entries: Record<string, readonly number[]>) => [
  0x7d,
  0x28,
  ...Object.entries(entries).flatMap(([name, value]) => [...text(name), ...value]),
  0x75,
];
export const orderedDict = call(global('collections', 'OrderedDict'));
export const pickle = (...parts: Part[]) => Uint8Array.from([0x80, 2, ...parts.flat(), 0x2e]);

export type TensorParts = {
  type?: string;
  key?: string;
  length?: number;
  offset?: number;
  shape?: number[];
  stride?: number[];
  /** Parts of the persistent id behind the length: None and a view in older files. */
  more?: readonly number[];
};

export const storage = ({ type = 'Float', key = '0', length = 4, more = [] }: TensorParts) => [
  ...tuple(text('storage'), global('torch', `${type}Storage`), text(key), text('cpu'), int(length), more),
  0x51,
];

export const tensor = (parts: TensorParts = {}) => {
  const { offset = 0, shape = [4], stride = [1] } = parts;
  const sizes = (list: number[]) => tuple(...list.map(int));
  return call(
    global('torch._utils', '_rebuild_tensor_v2'),
    storage(parts),
    int(offset),
    sizes(shape),
    sizes(stride),
    0x89,
    orderedDict,
  );
};

export const four = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);

type Zipped = { level?: number; password?: string };

/** Any zip archive; stored, if nothing else is said. */
export async function zip(
  files: Record<string, Uint8Array>,
  { level = 0, password }: Zipped = {},
): Promise<Uint8Array> {
  const options = { level, password, useWebWorkers: false, extendedTimestamp: false };
  const writer = new ZipWriter(new Uint8ArrayWriter(), options);
  for (const [name, bytes] of Object.entries(files)) await writer.add(name, new Uint8ArrayReader(bytes));
  return writer.close();
}

/** As torch.save lays it out. */
export const torchZip = (
  content: Uint8Array,
  more: Record<string, Uint8Array> = { 'data/0': four },
  options?: Zipped,
) =>
  zip(
    Object.fromEntries([
      ['a/data.pkl', content],
      ...Object.entries(more).map(([name, bytes]) => [`a/${name}`, bytes] as const),
    ]),
    options,
  );

const magic = [0x8a, 10, ...le(0x1950a86a20f9469cfc6cn, 10)];

type LegacyParts = { version?: readonly number[]; system?: readonly number[]; keys?: readonly number[]; tail?: Part[] };

/** The stream of PyTorch before 1.6, with one storage '0' of four floats if nothing else is said. */
export function legacy(
  content: readonly number[],
  {
    version = int(1001),
    system = dict({ little_endian: [0x88] }),
    keys,
    tail = [le(4, 8), [...four]],
  }: LegacyParts = {},
): Uint8Array {
  const list = keys ?? [0x5d, 0x28, ...text('0'), 0x65];
  const pickles = [magic, version, system, content, list].flatMap((parts) => [...pickle(parts)]);
  return Uint8Array.from([...pickles, ...tail.flat()]);
}
