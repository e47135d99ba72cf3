import { resizeArea } from './area';
import type { Random } from './random';
import { type Box, DataError, type Raster } from './types';

/** What `resizePadCrop` does to an image. */
export interface ResizePadCropOptions {
  /** The long side after resizing; the image is padded to a square of this size. */
  resize?: number;
  /** The square cut out of it: what the model sees. */
  crop?: number;
}

/** Where one image of a known size ended up in the model's input; maps both ways. */
export interface Placement {
  /** Size of the original image. */
  readonly width: number;
  readonly height: number;
  /** Side of the model's input. */
  readonly crop: number;
  /** The model's pixel u is at the original's pixel `(u − offset) / scale`, edges counted from the left and top. */
  readonly scale: { readonly x: number; readonly y: number };
  readonly offset: { readonly x: number; readonly y: number };
  /** The model's view of the image, in the image's units; what lies outside the image is 0. */
  apply(image: Raster): Raster & { data: Float32Array };
  /** A box of the original, in the model's pixels, cut to what the model sees; `undefined` if nothing of it is seen. */
  toModel(box: Box): Box | undefined;
  /** A mask `[height, width]` of the original as `[crop, crop]`, 1 where at least half of the pixel is inside. */
  maskToModel(mask: ArrayLike<number>): Uint8Array;
  /** A box of the model's view, in pixels of the original. */
  boxToOriginal(box: Box): Box;
  /**
   * A heat map over the model's view, such as `[16, 16]`, as `[height, width]` of the original: bilinear, half-pixel
   * centres. Pixels that the crop cut off are NaN: unknown, not 0.
   */
  toOriginal(map: ArrayLike<number>, size: { height: number; width: number }): Float32Array;
}

/** A way to bring images of any size to the model's size. */
export interface Transform {
  readonly size: number;
  /** Changes when the pixels before cropping would change; names cache entries. */
  readonly key: string;
  /** With `random`, the crop is at a random place (training); without, in the centre (evaluation). */
  place(image: { width: number; height: number }, random?: Random): Placement;
  /** The part of the work that does not depend on the crop, for caching. Grey comes and goes as one channel. */
  resized(image: Raster): Raster & { data: Float32Array };
  /** Finishes what `resized` began. */
  finish(resized: Raster, placement: Placement): Raster & { data: Float32Array };
}

/**
 * The transform of the chest X-ray papers: keep the aspect ratio, bring the long side to `resize` (area filter when
 * shrinking, bilinear when growing), pad with zeros evenly (the odd pixel goes right or below), crop a square.
 *
 *     model = original · scale + offset,  scale = resized / original (each axis its own, as sizes are whole numbers)
 *
 * Boxes, masks and heat maps follow the same mapping, both ways.
 *
 * @param options `resize` 256, `crop` 224.
 * @throws {DataError} unless `1 <= crop <= resize`.
 * @example
 * const transform = resizePadCrop({ resize: 64, crop: 48 });
 * const placement = transform.place({ width: 128, height: 64 });
 * const box = placement.toModel({ x: 32, y: 16, width: 20, height: 10 })!;
 * [box.x, box.y, box.width, box.height]; // [8, 16, 10, 5]
 * const back = placement.boxToOriginal(box);
 * [back.x, back.y, back.width, back.height]; // [32, 16, 20, 10]
 */
export function resizePadCrop({ resize = 256, crop = 224 }: ResizePadCropOptions = {}): Transform {
  if (!Number.isInteger(resize) || !Number.isInteger(crop) || crop < 1 || crop > resize) {
    throw new DataError(
      `resizePadCrop: expected whole numbers 1 <= crop <= resize, got crop ${crop}, resize ${resize}. ` +
        'Fix: raise resize, or lower crop.',
    );
  }
  const fitted = ({ width, height }: { width: number; height: number }) => {
    const long = Math.max(width, height);
    return {
      width: Math.max(1, Math.round((width * resize) / long)),
      height: Math.max(1, Math.round((height * resize) / long)),
    };
  };
  const slack = resize - crop;
  const transform: Transform = {
    size: crop,
    key: `resize=${resize}`,
    resized: (image) => {
      const { width, height } = fitted(image);
      return resizeArea(image, width, height);
    },
    place: (image, random) => {
      const left = random ? random.integer(0, slack) : Math.floor(slack / 2);
      const top = random ? random.integer(0, slack) : Math.floor(slack / 2);
      const inner = fitted(image);
      const offset = {
        x: Math.floor((resize - inner.width) / 2) - left,
        y: Math.floor((resize - inner.height) / 2) - top,
      };
      const scale = { x: inner.width / image.width, y: inner.height / image.height };
      return placement(transform, image, crop, scale, offset);
    },
    finish: (resized, { offset }) => {
      const { channels } = resized;
      const data = new Float32Array(crop * crop * channels);
      const left = Math.max(0, offset.x);
      const right = Math.min(crop, offset.x + resized.width);
      for (let y = Math.max(0, offset.y); y < Math.min(crop, offset.y + resized.height); y++) {
        const row = (y - offset.y) * resized.width;
        const from = (row + left - offset.x) * channels;
        if (right > left) {
          data.set(
            resized.data.subarray(from, (row + right - offset.x) * channels) as Float32Array,
            (y * crop + left) * channels,
          );
        }
      }
      return { data, width: crop, height: crop, channels };
    },
  };
  return transform;
}

function placement(
  transform: Transform,
  { width, height }: { width: number; height: number },
  crop: number,
  scale: { x: number; y: number },
  offset: { x: number; y: number },
): Placement {
  const checkLength = (name: string, values: ArrayLike<number>, rows: number, columns: number) => {
    if (values.length !== rows * columns) {
      throw new DataError(`${name}: expected ${rows} × ${columns} = ${rows * columns} values, got ${values.length}`);
    }
  };
  const view: Placement = {
    width,
    height,
    crop,
    scale,
    offset,
    apply: (image) => {
      if (image.width !== width || image.height !== height) {
        const got = `${image.width} × ${image.height}`;
        throw new DataError(`Placement.apply: expected the ${width} × ${height} image it was made for, got ${got}`);
      }
      return transform.finish(transform.resized(image), view);
    },
    toModel: (box) => {
      const left = Math.max(0, box.x * scale.x + offset.x);
      const top = Math.max(0, box.y * scale.y + offset.y);
      const right = Math.min(crop, (box.x + box.width) * scale.x + offset.x);
      const bottom = Math.min(crop, (box.y + box.height) * scale.y + offset.y);
      return right > left && bottom > top ? { x: left, y: top, width: right - left, height: bottom - top } : undefined;
    },
    maskToModel: (mask) => {
      checkLength('maskToModel: mask', mask, height, width);
      const data = Float32Array.from({ length: mask.length }, (_, i) => (mask[i] ? 1 : 0));
      const covered = view.apply({ data, width, height, channels: 1 }).data;
      return Uint8Array.from(covered, (v) => (v >= 0.5 - 1e-6 ? 1 : 0)); // half is half, however it was rounded
    },
    boxToOriginal: (box) => ({
      x: (box.x - offset.x) / scale.x,
      y: (box.y - offset.y) / scale.y,
      width: box.width / scale.x,
      height: box.height / scale.y,
    }),
    toOriginal: (map, size) => {
      checkLength('toOriginal: map', map, size.height, size.width);
      const columns = mapTaps(width, scale.x, offset.x, crop, size.width);
      const rows = mapTaps(height, scale.y, offset.y, crop, size.height);
      const result = new Float32Array(width * height).fill(Number.NaN);
      rows.forEach((row, y) => {
        if (!row) return;
        columns.forEach((column, x) => {
          if (!column) return;
          const at = (r: number, c: number) => map[r * size.width + c]!;
          const top = at(row.low, column.low) * (1 - column.weight) + at(row.low, column.high) * column.weight;
          const bottom = at(row.high, column.low) * (1 - column.weight) + at(row.high, column.high) * column.weight;
          result[y * width + x] = top * (1 - row.weight) + bottom * row.weight;
        });
      });
      return result;
    },
  };
  return view;
}

/** Where the centre of each original pixel falls in a map of `cells` over the crop; `undefined` outside the crop. */
function mapTaps(length: number, scale: number, offset: number, crop: number, cells: number) {
  return Array.from({ length }, (_, i) => {
    const inCrop = (i + 0.5) * scale + offset;
    if (inCrop < 0 || inCrop > crop) return undefined;
    const at = Math.min(cells - 1, Math.max(0, (inCrop * cells) / crop - 0.5));
    const low = Math.floor(at);
    return { low, high: Math.min(cells - 1, low + 1), weight: at - low };
  });
}
