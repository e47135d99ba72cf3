import { float16Table, toBfloat16, toFloat16 } from './half';

/** Element types of a safetensors file that this package reads and writes. */
export type SafetensorsDtype = 'I64' | 'F64' | 'F32' | 'I32' | 'BF16' | 'F16' | 'I16' | 'I8' | 'U8' | 'BOOL';

/** The array a type is read into: 64-bit floats and half precision become float32, 64-bit integers int32, booleans 0 or 1. */
export type SafetensorsData = Float32Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/** Throws for the value at a place of a tensor. */
export type Fail = (index: number, value: number | bigint, why: string) => never;

type Codec = {
  bytes: number;
  /** A tensor's own bytes → values. The buffer is taken over where the bytes are the values. */
  read: (buffer: ArrayBuffer, fail: Fail) => SafetensorsData;
  /** Values of another type → an array whose bytes are the file's. */
  write: (data: SafetensorsData, fail: Fail) => ArrayBufferView;
};

/**
 * How each type lies in a file (little endian), in the order in which the reference implementation writes them.
 * Conversions between floats round to the nearest, as PyTorch's; integers are checked, not wrapped.
 */
export const codecs: Record<SafetensorsDtype, Codec> = {
  I64: { bytes: 8, read: narrowI64, write: widenI64 },
  F64: {
    bytes: 8,
    read: (buffer) => new Float32Array(new Float64Array(buffer)),
    write: (data) => new Float64Array(data),
  },
  F32: { bytes: 4, read: (buffer) => new Float32Array(buffer), write: (data) => new Float32Array(data) },
  I32: { bytes: 4, read: (buffer) => new Int32Array(buffer), write: whole('I32', Int32Array, -(2 ** 31), 2 ** 31 - 1) },
  BF16: { bytes: 2, read: widenBfloat16, write: (data) => narrow(data, toBfloat16) },
  F16: { bytes: 2, read: widenFloat16, write: (data) => narrow(data, toFloat16) },
  I16: { bytes: 2, read: (buffer) => new Int16Array(buffer), write: whole('I16', Int16Array, -(2 ** 15), 2 ** 15 - 1) },
  I8: { bytes: 1, read: (buffer) => new Int8Array(buffer), write: whole('I8', Int8Array, -128, 127) },
  U8: { bytes: 1, read: (buffer) => new Uint8Array(buffer), write: whole('U8', Uint8Array, 0, 255) },
  BOOL: { bytes: 1, read: checkBooleans, write: whole('BOOL', Uint8Array, 0, 1) },
};

/** The place of a type in a file: larger elements first, so that every tensor lies at a multiple of its element's size. */
export const order = Object.keys(codecs) as SafetensorsDtype[];

const dtypeByArray: Record<string, SafetensorsDtype> = {
  Float32Array: 'F32',
  Int32Array: 'I32',
  Int16Array: 'I16',
  Int8Array: 'I8',
  Uint8Array: 'U8',
};

/** The type that holds an array as it is, found by its tag: test runners give arrays of another realm. */
export function dtypeOf(data: unknown): SafetensorsDtype | undefined {
  return ArrayBuffer.isView(data) ? dtypeByArray[(data as Uint8Array)[Symbol.toStringTag]] : undefined;
}

function narrowI64(buffer: ArrayBuffer, fail: Fail): Int32Array {
  const halves = new Int32Array(buffer);
  const data = new Int32Array(halves.length / 2);
  for (let i = 0; i < data.length; i++) {
    const low = halves[2 * i]!;
    if (halves[2 * i + 1] !== low >> 31) {
      fail(i, new BigInt64Array(buffer)[i]!, 'does not fit into 32 bits. Fix: save it as F32 or F64, or leave it out');
    }
    data[i] = low;
  }
  return data;
}

function widenI64(data: SafetensorsData, fail: Fail): Int32Array {
  const low = whole('32 bits, which is what an I64 is read as', Int32Array, -(2 ** 31), 2 ** 31 - 1)(data, fail);
  const halves = new Int32Array(2 * low.length);
  low.forEach((value, i) => {
    halves[2 * i] = value;
    halves[2 * i + 1] = value >> 31;
  });
  return halves;
}

function widenBfloat16(buffer: ArrayBuffer): Float32Array {
  const halves = new Uint16Array(buffer);
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
  return new Float32Array(bits.buffer);
}

function widenFloat16(buffer: ArrayBuffer): Float32Array {
  const halves = new Uint16Array(buffer);
  const table = float16Table();
  const data = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) data[i] = table[halves[i]!]!;
  return data;
}

function narrow(data: SafetensorsData, toBits: (value: number) => number): Uint16Array {
  const halves = new Uint16Array(data.length);
  for (let i = 0; i < data.length; i++) halves[i] = toBits(data[i]!);
  return halves;
}

function checkBooleans(buffer: ArrayBuffer, fail: Fail): Uint8Array {
  const data = new Uint8Array(buffer);
  const wrong = data.findIndex((value) => value > 1);
  if (wrong >= 0) fail(wrong, data[wrong]!, 'is not 0 or 1. Fix: save it as U8');
  return data;
}

function whole<T extends SafetensorsData>(
  name: string,
  type: new (data: SafetensorsData) => T,
  low: number,
  high: number,
) {
  return (data: SafetensorsData, fail: Fail): T => {
    for (let i = 0; i < data.length; i++) {
      const value = data[i]!;
      if (!Number.isInteger(value) || value < low || value > high) {
        fail(i, value, `is not a whole number of ${name} (${low} to ${high}). Fix: another dtype`);
      }
    }
    return new type(data);
  };
}
