import { checkWhole, MetricError, type Numbers } from './checks';

/** A rectangle in pixels: left, top, width, height. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A map with its size, rows from the top. */
export interface SizedMap {
  data: Numbers;
  width: number;
  height: number;
}

/**
 * Mask of the union of boxes: the region of one phrase.
 *
 * A pixel belongs to a box if its centre does: `x ≤ column + ½ < x + width`, and likewise down.
 *
 * @param boxes in pixels of the image; parts outside the image are cut off.
 * @param size `width` and `height` of the image in pixels.
 * @returns flat `[height · width]` of 0 and 1.
 * @throws {MetricError} if a box has a size that is not positive, or the size is not whole.
 * @example
 * boxMask([{ x: 1, y: 0, width: 1, height: 2 }], { width: 3, height: 2 }); // [0, 1, 0, 0, 1, 0]
 */
export function boxMask(boxes: readonly Box[], { width, height }: { width: number; height: number }): Uint8Array {
  checkWhole('width', width, 1);
  checkWhole('height', height, 1);
  const mask = new Uint8Array(width * height);
  for (const box of boxes) {
    if (![box.x, box.y, box.width, box.height].every(Number.isFinite) || box.width <= 0 || box.height <= 0) {
      throw new MetricError(
        `boxes: expected finite x, y and a width and height above 0, got ${JSON.stringify(box)}. ` +
          `Fix: convert from corners with width = x2 − x1, height = y2 − y1.`,
      );
    }
    const left = Math.max(0, Math.ceil(box.x - 0.5));
    const right = Math.min(width, Math.ceil(box.x + box.width - 0.5));
    const top = Math.max(0, Math.ceil(box.y - 0.5));
    const bottom = Math.min(height, Math.ceil(box.y + box.height - 0.5));
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) mask[row * width + column] = 1;
    }
  }
  return mask;
}

/**
 * Brings a feature-grid map to the original image: bilinear, half-pixel centres (PyTorch's `align_corners=False`), edges repeated.
 *
 * The model usually saw a part of the image (centre crop) or more than it (zero padding): `region` says which rectangle
 * of the original image the map covers. Pixels outside it were never seen and become NaN, which every metric here drops.
 *
 * @param map `data` flat `[height · width]` with its size.
 * @param options `width`, `height` of the original image; `region` in its pixels (may reach beyond it), the whole image by default.
 * @returns the map at the size of the image, NaN where unknown.
 * @throws {MetricError} if the data do not fill the size or a size is not positive.
 * @example
 * resizeMap({ data: [0, 1], width: 2, height: 1 }, { width: 4, height: 1 }).data; // [0, 0.25, 0.75, 1]
 */
export function resizeMap(
  map: SizedMap,
  { width, height, region = { x: 0, y: 0, width, height } }: { width: number; height: number; region?: Box },
): { data: Float32Array; width: number; height: number } {
  checkWhole('width', width, 1);
  checkWhole('height', height, 1);
  if (map.data.length === 0 || map.data.length !== map.width * map.height) {
    throw new MetricError(
      `map: expected ${map.width} × ${map.height} values, got ${map.data.length}. Fix: pass the grid's own width and height.`,
    );
  }
  if (!(region.width > 0) || !(region.height > 0)) {
    throw new MetricError(`region: expected a width and height above 0, got ${JSON.stringify(region)}.`);
  }
  const columns = sampling(width, region.x, region.width, map.width);
  const rows = sampling(height, region.y, region.height, map.height);
  const data = new Float32Array(width * height).fill(Number.NaN);
  for (let y = 0; y < height; y++) {
    const low = rows.low[y]! * map.width;
    const high = rows.high[y]! * map.width;
    if (low < 0) continue;
    for (let x = 0; x < width; x++) {
      const [left, right, weight] = [columns.low[x]!, columns.high[x]!, columns.weight[x]!];
      if (left < 0) continue;
      const top = mix(map.data[low + left]!, map.data[low + right]!, weight);
      const bottom = mix(map.data[high + left]!, map.data[high + right]!, weight);
      data[y * width + x] = mix(top, bottom, rows.weight[y]!);
    }
  }
  return { data, width, height };
}

function mix(a: number, b: number, weight: number): number {
  return weight === 0 ? a : a + (b - a) * weight;
}

/** Which two cells each pixel lies between, and how far from the first; −1 outside the region. */
function sampling(pixels: number, start: number, extent: number, cells: number) {
  const low = new Int32Array(pixels).fill(-1);
  const high = new Int32Array(pixels);
  const weight = new Float64Array(pixels);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const inRegion = pixel + 0.5 - start;
    if (inRegion < 0 || inRegion >= extent) continue;
    const position = Math.min(Math.max((inRegion * cells) / extent - 0.5, 0), cells - 1);
    low[pixel] = Math.floor(position);
    high[pixel] = Math.min(low[pixel]! + 1, cells - 1);
    weight[pixel] = position - low[pixel]!;
  }
  return { low, high, weight };
}
