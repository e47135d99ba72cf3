/** Element types of a safetensors file that this package reads and writes. */
export type SafetensorsDtype = 'F64' | 'F32' | 'F16' | 'BF16' | 'I64' | 'I32' | 'I16' | 'I8' | 'U8' | 'BOOL';

/** The array a type is read into: 64-bit floats and half precision become float32, 64-bit integers int32. */
export type SafetensorsData = Float32Array | Int32Array | Int16Array | Int8Array | Uint8Array;

type Codec = {
  bytes: number;
  create: (length: number) => SafetensorsData;
  read: (view: DataView, at: number) => number;
  write: (view: DataView, at: number, value: number) => void;
};

const float = (length: number) => new Float32Array(length);
const scratch = new DataView(new ArrayBuffer(4));

/** float32 → bfloat16 bits, to the nearest, ties to even; NaN stays NaN. */
export function toBfloat16(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** float16 bits → number. */
export function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** number → float16 bits, to the nearest, ties to even; too large becomes infinity. */
export function toFloat16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  // Numbers of one binade are a whole multiple of its unit; below 2^-14 the unit stays. log2 may round up at the edge.
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const binade = exponent > -14 && size < 2 ** exponent ? exponent - 1 : exponent;
  const units = roundToEven(size / 2 ** (binade - 10));
  // A carry into the next binade is what adding to the exponent field does.
  return sign | (units + (binade + 14) * 1024);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** How each type lies in a file. Little endian throughout. */
export const codecs: Record<SafetensorsDtype, Codec> = {
  F64: {
    bytes: 8,
    create: float,
    read: (v, at) => v.getFloat64(at, true),
    write: (v, at, x) => v.setFloat64(at, x, true),
  },
  F32: {
    bytes: 4,
    create: float,
    read: (v, at) => v.getFloat32(at, true),
    write: (v, at, x) => v.setFloat32(at, x, true),
  },
  F16: {
    bytes: 2,
    create: float,
    read: (v, at) => fromFloat16(v.getUint16(at, true)),
    write: (v, at, x) => v.setUint16(at, toFloat16(x), true),
  },
  BF16: {
    bytes: 2,
    create: float,
    read: (v, at) => {
      scratch.setUint32(0, v.getUint16(at, true) << 16);
      return scratch.getFloat32(0);
    },
    write: (v, at, x) => v.setUint16(at, toBfloat16(x), true),
  },
  I64: {
    bytes: 8,
    create: (length) => new Int32Array(length),
    read: (v, at) => Number(v.getBigInt64(at, true)),
    write: (v, at, x) => v.setBigInt64(at, BigInt(x), true),
  },
  I32: {
    bytes: 4,
    create: (n) => new Int32Array(n),
    read: (v, at) => v.getInt32(at, true),
    write: (v, at, x) => v.setInt32(at, x, true),
  },
  I16: {
    bytes: 2,
    create: (n) => new Int16Array(n),
    read: (v, at) => v.getInt16(at, true),
    write: (v, at, x) => v.setInt16(at, x, true),
  },
  I8: {
    bytes: 1,
    create: (n) => new Int8Array(n),
    read: (v, at) => v.getInt8(at),
    write: (v, at, x) => v.setInt8(at, x),
  },
  U8: {
    bytes: 1,
    create: (n) => new Uint8Array(n),
    read: (v, at) => v.getUint8(at),
    write: (v, at, x) => v.setUint8(at, x),
  },
  BOOL: {
    bytes: 1,
    create: (n) => new Uint8Array(n),
    read: (v, at) => v.getUint8(at),
    write: (v, at, x) => v.setUint8(at, x ? 1 : 0),
  },
};

/** Smallest and largest whole number of the integer types. */
export const ranges: Partial<Record<SafetensorsDtype, [number, number]>> = {
  I64: [-(2 ** 31), 2 ** 31 - 1],
  I32: [-(2 ** 31), 2 ** 31 - 1],
  I16: [-(2 ** 15), 2 ** 15 - 1],
  I8: [-128, 127],
  U8: [0, 255],
  BOOL: [0, 1],
};
