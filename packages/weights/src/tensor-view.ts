import { codecs, type SafetensorsDtype } from './dtypes';
import { isSizes, shown } from './error';
import type { Fail } from './pickle-values';

/** What tensors look at: `length` elements from element `begin` on, of the record `key` that has `total`. */
export class Storage {
  readonly kind = 'a storage';

  constructor(
    readonly key: string,
    readonly dtype: SafetensorsDtype,
    readonly length: number,
    readonly begin = 0,
    readonly total = length,
  ) {}
}

/** A tensor as PyTorch saves it: a strided look at a storage, all of it inside. Offset and strides count elements. */
export class TensorView {
  readonly kind = 'a tensor';

  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly stride: readonly number[],
  ) {}

  /** Two views with the same text have the same values. */
  get identity(): string {
    const { key, dtype, begin } = this.storage;
    return JSON.stringify([key, dtype, begin + this.offset, this.shape, this.stride]);
  }

  get bytes(): number {
    return count(this.shape) * codecs[this.storage.dtype].bytes;
  }
}

/** As PyTorch allows; also keeps the work per value small. */
const mostDimensions = 64;

/** Checks offset, shape and strides against the storage: what is outside is never read. */
export function tensorView(storage: Storage, offset: unknown, shape: unknown, stride: unknown, fail: Fail): TensorView {
  if (!isShort(shape) || !isSizes(shape)) return fail(`shape ${shown(shape)} is not a list of sizes`);
  if (!isShort(stride) || !isSizes(stride) || stride.length !== shape.length) {
    return fail(`strides ${shown(stride)} are not one per size of ${shown(shape)}`);
  }
  if (!isSizes([offset])) return fail(`storage offset ${shown(offset)} is not a whole number from 0`);
  const last = shape.reduce((sum, size, d) => sum + (size - 1) * stride[d]!, offset as number);
  if (!shape.includes(0) && !(last < storage.length)) {
    return fail(
      `a tensor of shape ${shown(shape)}, strides ${shown(stride)} and offset ${offset} reaches element ${last} of a storage of ${storage.length}`,
    );
  }
  return new TensorView(storage, offset as number, [...shape], [...stride]);
}

/**
 * The values of a view one after the other, from the bytes of its record. The record's own buffer is handed over where it
 * is `theOnly` view of it and the same.
 */
export function contiguous(view: TensorView, record: Uint8Array<ArrayBuffer>, theOnly: boolean): ArrayBuffer {
  const { bytes: width } = codecs[view.storage.dtype];
  const start = view.storage.begin + view.offset;
  const size = view.bytes;
  if (!isContiguous(view)) return gather(view, record.buffer, start);
  if (theOnly && start === 0 && size === record.buffer.byteLength) return record.buffer;
  return record.buffer.slice(start * width, start * width + size);
}

/** Before anything looks at every size: many tensors may share one long list. */
const isShort = (list: unknown) => Array.isArray(list) && list.length <= mostDimensions;

const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

function isContiguous({ shape, stride }: TensorView): boolean {
  if (shape.includes(0)) return true;
  let expected = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1 && stride[d] !== expected) return false;
    expected *= shape[d]!;
  }
  return true;
}

/** Moves elements by their width, whatever they mean: bits stay as they are. */
const words = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array };

function gather(view: TensorView, buffer: ArrayBuffer, start: number): ArrayBuffer {
  const Words = words[codecs[view.storage.dtype].bytes as keyof typeof words];
  const from = new Words(buffer);
  const to = new Words(count(view.shape));
  const axes = view.shape.map((size, d) => ({ size, step: view.stride[d]!, at: 0 })).filter(({ size }) => size > 1);
  let place = start;
  for (let i = 0; i < to.length; i++) {
    to[i] = from[place]!;
    for (let d = axes.length - 1; d >= 0; d--) {
      const axis = axes[d]!;
      place += axis.step;
      if (++axis.at < axis.size) break;
      place -= axis.step * axis.size;
      axis.at = 0;
    }
  }
  return to.buffer;
}
