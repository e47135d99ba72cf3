import { describe, expect, it } from 'vitest';
import golden from '../goldens/half.json';
import { float16Table, fromFloat16, toBfloat16, toFloat16 } from './half';

const floats = new Float32Array(Uint32Array.from(golden.float32).buffer);

describe('half precision', () => {
  it('rounds as PyTorch, bit for bit: ties, one unit beside them, subnormals, overflow, random bits', () => {
    expect(floats.length).toBeGreaterThan(800);
    expect(Array.from(floats, toFloat16)).toEqual(golden.float16);
    expect(Array.from(floats, toBfloat16)).toEqual(golden.bfloat16);
  });

  it('takes each float16 to itself and back, and NaN to NaN', () => {
    const table = float16Table();
    let wrong = 0;
    for (let bits = 0; bits < 65536; bits++) {
      const value = fromFloat16(bits);
      if (!Object.is(value, table[bits]) || (!Number.isNaN(value) && toFloat16(value) !== bits)) wrong++;
    }
    expect(wrong).toBe(0);
    expect(fromFloat16(toFloat16(Number.NaN))).toBeNaN();
    // A NaN whose payload lies only in the bits that are cut.
    const [nan] = new Float32Array(Uint32Array.of(0x7f800001).buffer);
    expect(toBfloat16(nan!) & 0x7fff).toBeGreaterThan(0x7f80);
    expect(toFloat16(nan!) & 0x7fff).toBeGreaterThan(0x7c00);
  });
});
