import { toChannels } from './pixels';
import { type Placement, resizePadCrop, type Transform } from './transform';
import { DataError, type Raster } from './types';

/** Mean and deviation of pixels in 0…1: one number for all channels, or one for each. */
export interface Normalization {
  mean: number | readonly number[];
  std: number | readonly number[];
}

/** What `modelInput` does to an image; the same names and defaults as in `batches`. */
export interface ModelInputOptions {
  /** `resizePadCrop()` (256, 224). */
  transform?: Transform;
  /** 3. */
  channels?: 1 | 3;
  /** Mean 0.5, std 0.5. */
  normalize?: Normalization;
}

/** One image as a model sees it. */
export interface ModelInput {
  /** `[h, w, c]`, normalised. */
  pixels: Float32Array;
  shape: [number, number, number];
  /** Where the image is in it: takes heat maps back. */
  placement: Placement;
}

/**
 * One decoded image as a model sees it in evaluation: the same numbers as a batch of `batches` has for it. For programs that
 * have pixels and no files, such as a page in a browser.
 *
 * @throws {DataError} if there are not `height · width · channels` values.
 * @example
 * const image = { data: Uint8Array.of(0, 255, 0, 255), width: 2, height: 2, channels: 1 };
 * const transform = resizePadCrop({ resize: 2, crop: 2 });
 * const { pixels, shape } = modelInput(image, { transform, channels: 1 });
 * pixels; // [-1, 1, -1, 1]
 * shape; // [2, 2, 1]
 */
export function modelInput(
  image: Raster,
  { transform = resizePadCrop(), channels = 3, normalize = { mean: 0.5, std: 0.5 } }: ModelInputOptions = {},
): ModelInput {
  const resized = resizedToUnit(image, transform, channels, 'modelInput');
  const placement = transform.place(image);
  const pixels = new Float32Array(transform.size * transform.size * channels);
  const { mean, std } = normalize;
  normalise(transform.finish(resized, placement), pixels, perChannel(mean, channels), perChannel(std, channels));
  return { pixels, shape: [transform.size, transform.size, channels], placement };
}

/** The image at the transform's size in 0…1. Grey stays one channel: three equal ones would take three times the work. */
export function resizedToUnit(
  image: Raster,
  transform: Transform,
  channels: 1 | 3,
  name: string,
): Raster & { data: Float32Array } {
  const decoded = image.channels === 1 ? image : toChannels(image, channels);
  const { width, height, data } = decoded;
  if (data.length !== width * height * decoded.channels) {
    throw new DataError(
      `${name}: ${data.length} values for a ${width} × ${height} image of ${decoded.channels} channels`,
    );
  }
  const resized = transform.resized(decoded);
  if (data instanceof Uint8Array) toUnit(resized.data);
  return resized;
}

/** 0…255 to 0…1, in place. */
function toUnit(levels: Float32Array): void {
  for (let i = 0; i < levels.length; i++) levels[i] = levels[i]! / 255;
}

export const perChannel = (value: number | readonly number[], channels: number) =>
  Array.from({ length: channels }, (_, c) => (typeof value === 'number' ? value : value[c % value.length]!));

/** `(x − mean) / std`, channel by channel; the only channel of a grey image is all of them. */
export function normalise({ data, channels }: Raster, result: Float32Array, mean: number[], std: number[]): void {
  const step = mean.length;
  for (let c = 0; c < step; c++) {
    const [m, s] = [mean[c]!, std[c]!];
    for (let k = c, at = Math.min(c, channels - 1); k < result.length; k += step, at += channels) {
      result[k] = (data[at]! - m) / s;
    }
  }
}
