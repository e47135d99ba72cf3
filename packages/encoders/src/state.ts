import { ShapeError } from '@medalign/similarity';

/** One named array of a checkpoint, in the layout of the ecosystem: `[out, in]`, `[out, in, kh, kw]`. */
export type StateEntry = {
  /** The type it has in a safetensors file; float32 when left out. */
  dtype?: string;
  shape: readonly number[];
  data: ArrayLike<number | bigint>;
};

/** A checkpoint in memory: parameter and buffer names → arrays, as PyTorch's `state_dict()` names them. */
export type StateDict = ReadonlyMap<string, StateEntry>;

/** A checkpoint does not fit the model. The message names the arrays and what to do. */
export class StateDictError extends Error {
  override readonly name = 'StateDictError';
}

/** How an array of the ecosystem lies in tfjs: as it is, a `[out, in]` matrix, an OIHW filter. */
export type Layout = 'same' | 'linear' | 'convolution';

/** The order of the ecosystem's axes inside tfjs: axis i of the tfjs array is axis order[i] of the ecosystem's. */
const orders: Record<Exclude<Layout, 'same'>, number[]> = { linear: [1, 0], convolution: [2, 3, 1, 0] };
const inverse = (order: number[]) => order.map((_, axis) => order.indexOf(axis));

/** Ecosystem layout → tfjs layout. */
export function fromEcosystem(
  entry: StateEntry,
  layout: Layout,
): { shape: number[]; data: ArrayLike<number | bigint> } {
  return layout === 'same' ? { shape: [...entry.shape], data: entry.data } : permute(entry, orders[layout]);
}

/** tfjs layout → ecosystem layout. */
export function toEcosystem(entry: StateEntry, layout: Layout): { shape: number[]; data: ArrayLike<number | bigint> } {
  return layout === 'same' ? { shape: [...entry.shape], data: entry.data } : permute(entry, inverse(orders[layout]));
}

function permute({ shape, data }: StateEntry, order: number[]): { shape: number[]; data: Float32Array } {
  if (shape.length !== order.length) throw new ShapeError(`expected ${order.length} axes, got shape [${shape}]`);
  if (order.length === 2) return transpose(shape as [number, number], data);
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const sizes = order.map((axis) => shape[axis]!);
  const steps = order.map((axis) => strides[axis]!);
  const out = new Float32Array(data.length);
  const index = new Array<number>(order.length).fill(0);
  const last = order.length - 1;
  for (let to = 0, from = 0; to < out.length; ) {
    for (let i = 0, at = from; i < sizes[last]!; i++, at += steps[last]!) out[to++] = Number(data[at]);
    let axis = last - 1;
    for (; axis >= 0; axis--) {
      from += steps[axis]!;
      index[axis] = index[axis]! + 1;
      if (index[axis]! < sizes[axis]!) break;
      from -= steps[axis]! * sizes[axis]!;
      index[axis] = 0;
    }
    if (axis < 0) break;
  }
  return { shape: sizes, data: out };
}

/** Tile by tile: a column read from end to end would miss the cache at every value. */
function transpose(
  [rows, columns]: readonly [number, number],
  data: StateEntry['data'],
): { shape: number[]; data: Float32Array } {
  const values = data instanceof Float32Array ? data : Float32Array.from(Array.from(data, Number));
  const out = new Float32Array(values.length);
  const tile = 32;
  // a shape alone, without values
  for (let top = 0; values.length > 0 && top < rows; top += tile) {
    const bottom = Math.min(rows, top + tile);
    for (let left = 0; left < columns; left += tile) {
      const right = Math.min(columns, left + tile);
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) out[column * rows + row] = values[row * columns + column]!;
      }
    }
  }
  return { shape: [columns, rows], data: out };
}
