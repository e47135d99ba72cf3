const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/**
 * float32 → bfloat16 bits, to the nearest, ties to even; NaN stays NaN.
 */
export function toBfloat16(value: number): number {
  float[0] = value;
  const all = bits[0]!;
  if ((all & 0x7fffffff) > 0x7f800000) return (all >>> 16) | 0x40;
  return (all + 0x7fff + ((all >>> 16) & 1)) >>> 16;
}

/** float32 → float16 bits, to the nearest, ties to even; from 65,520 on it is infinity, NaN stays NaN. */
export function toFloat16(value: number): number {
  float[0] = value;
  const all = bits[0]!;
  const sign = (all >>> 16) & 0x8000;
  const size = all & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00;
  if (size >= 0x477ff000) return sign | 0x7c00;
  if (size < 0x38800000) {
    // Below 2^-14 the unit is 2^-24, which is that of float32 from 0.5 on: the sum rounds to it.
    float[0] = Math.abs(value) + 0.5;
    return sign | (bits[0]! - 0x3f000000);
  }
  // The exponent's bias goes from 127 to 15, and 13 bits of the fraction are rounded away; a carry raises the exponent.
  return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
}

/** float16 bits → number. */
export function fromFloat16(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

let table: Float32Array | undefined;

/** All 65,536 values of float16, computed once: reading looks them up. */
export function float16Table(): Float32Array {
  table ??= Float32Array.from({ length: 65536 }, (_, half) => fromFloat16(half));
  return table;
}
