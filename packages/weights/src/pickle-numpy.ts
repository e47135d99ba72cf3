import { Callable, type Fail } from './pickle-values';

/** The type of a NumPy scalar, as far as it is a number. Lightning's files hold such scalars (best score, learning rates). */
export class NumpyDtype {
  readonly kind = 'a numpy.dtype';
  private littleEndian = true;

  constructor(readonly code: string) {}

  /** State is `(version, byte order, …)`. */
  setState(state: unknown, fail: Fail): void {
    const order = Array.isArray(state) ? state[1] : undefined;
    if (typeof order !== 'string' || !'<>=|'.includes(order) || order === '')
      fail('a state that is not of numpy.dtype');
    this.littleEndian = order !== '>';
  }

  /** One value from its bytes. */
  decode(bytes: Uint8Array, fail: Fail): number | bigint | boolean {
    const read = Object.hasOwn(readers, this.code) ? readers[this.code] : undefined;
    if (!read)
      return fail(`a NumPy scalar of type '${this.code.slice(0, 20)}', which is not a number of up to 8 bytes`);
    if (bytes.length !== Number(this.code[1])) return fail(`a NumPy scalar '${this.code}' of ${bytes.length} bytes`);
    const value = read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), this.littleEndian);
    return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
}

const readers: Record<string, (view: DataView, little: boolean) => number | bigint | boolean> = {
  f8: (view, little) => view.getFloat64(0, little),
  f4: (view, little) => view.getFloat32(0, little),
  i8: (view, little) => view.getBigInt64(0, little),
  i4: (view, little) => view.getInt32(0, little),
  i2: (view, little) => view.getInt16(0, little),
  i1: (view) => view.getInt8(0),
  u8: (view, little) => view.getBigUint64(0, little),
  u4: (view, little) => view.getUint32(0, little),
  u2: (view, little) => view.getUint16(0, little),
  u1: (view) => view.getUint8(0),
  b1: (view) => view.getUint8(0) !== 0,
};

const dtype = new Callable(
  'numpy.dtype',
  ([code], { fail }) => new NumpyDtype(typeof code === 'string' ? code : fail('a numpy.dtype without its code')),
);

const scalar = new Callable('numpy.core.multiarray.scalar', ([type, value], { fail }) => {
  if (!(type instanceof NumpyDtype) || !(value instanceof Uint8Array))
    return fail('a NumPy scalar without type or bytes');
  return type.decode(value, fail);
});

/** What Python 3 writes for bytes in protocol 2: text of the characters 0 to 255. */
const encode = new Callable('_codecs.encode', ([text, codec], { fail, charge }) => {
  if (typeof text !== 'string' || codec !== 'latin1') return fail('_codecs.encode of something else than latin1');
  charge(text.length);
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return /^[\0-\xff]*$/.test(text) ? bytes : fail('_codecs.encode of a character beyond latin1');
});

/** By the name in the pickle. */
export const numpyGlobals: Record<string, unknown> = {
  'numpy.dtype': dtype,
  'numpy.core.multiarray.scalar': scalar,
  'numpy._core.multiarray.scalar': scalar,
  '_codecs.encode': encode,
};
