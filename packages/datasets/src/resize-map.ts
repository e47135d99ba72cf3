import { DataError } from './types';

/** Left neighbour and weight of the right one for each output index: half-pixel centres, edges repeated. */
function taps(from: number, to: number): { low: Int32Array; weight: Float32Array } {
  const low = new Int32Array(to);
  const weight = new Float32Array(to);
  for (let i = 0; i < to; i++) {
    const at = Math.min(from - 1, Math.max(0, ((i + 0.5) * from) / to - 0.5));
    low[i] = Math.min(Math.floor(at), Math.max(0, from - 2));
    weight[i] = from === 1 ? 0 : at - low[i]!;
  }
  return { low, weight };
}

/**
 * Resizes a map bilinearly, with half-pixel centres: output i reads input `(i + 0.5)·from/to − 0.5`, edges repeated.
 * The same as `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`; no smoothing when it shrinks.
 *
 * @param map `[height, width]`, row by row. NaN spreads to its neighbours.
 * @param height of the map.
 * @param width of the map.
 * @param size of the result.
 * @returns `[size.height, size.width]`.
 * @throws {DataError} if the map is not `height · width` long.
 * @example
 * resizeMap([0, 1], 1, 2, { height: 1, width: 4 }); // [0, 0.25, 0.75, 1]
 */
export function resizeMap(
  map: ArrayLike<number>,
  height: number,
  width: number,
  size: { height: number; width: number },
): Float32Array {
  if (map.length !== height * width || map.length === 0) {
    throw new DataError(`resizeMap: map: expected ${height} × ${width} = ${height * width} values, got ${map.length}`);
  }
  const rows = taps(height, size.height);
  const columns = taps(width, size.width);
  const result = new Float32Array(size.height * size.width);
  for (let y = 0, i = 0; y < size.height; y++) {
    const above = rows.low[y]! * width;
    const below = height === 1 ? above : above + width;
    const v = rows.weight[y]!;
    for (let x = 0; x < size.width; x++, i++) {
      const left = columns.low[x]!;
      const right = width === 1 ? left : left + 1;
      const u = columns.weight[x]!;
      const top = map[above + left]! * (1 - u) + map[above + right]! * u;
      const bottom = map[below + left]! * (1 - u) + map[below + right]! * u;
      result[i] = top * (1 - v) + bottom * v;
    }
  }
  return result;
}
