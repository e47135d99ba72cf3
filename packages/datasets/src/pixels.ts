import { type Random, randomStream } from './random';
import { DataError, type Raster } from './types';

/**
 * Grey or colour as asked: 1 → 3 channels by repetition, 3 → 1 by luma (0.299 R + 0.587 G + 0.114 B).
 *
 * @example
 * toChannels({ data: Uint8Array.of(7, 9), width: 2, height: 1, channels: 1 }, 3).data; // [7, 7, 7, 9, 9, 9]
 */
export function toChannels(image: Raster, channels: 1 | 3): Raster {
  if (image.channels === channels) return image;
  const pixels = image.width * image.height;
  const data =
    image.data instanceof Uint8Array ? new Uint8Array(pixels * channels) : new Float32Array(pixels * channels);
  if (channels === 3 && image.channels === 1) {
    for (let i = 0, at = 0; i < pixels; i++) {
      const value = image.data[i]!;
      data[at++] = value;
      data[at++] = value;
      data[at++] = value;
    }
  } else if (channels === 1 && image.channels === 3) {
    const exact = image.data instanceof Uint8Array ? Math.round : (x: number) => x;
    for (let i = 0; i < pixels; i++) {
      const [r, g, b] = [image.data[3 * i]!, image.data[3 * i + 1]!, image.data[3 * i + 2]!];
      data[i] = exact(0.299 * r + 0.587 * g + 0.114 * b);
    }
  } else {
    throw new DataError(`toChannels: expected 1 or 3 channels, got ${image.channels} to turn into ${channels}`);
  }
  return { ...image, data, channels };
}

/** Small changes of exposure. None of them moves anything: left stays left, and boxes stay true. */
export interface AugmentOptions {
  /** Added to every pixel: uniform in ±brightness, full scale = 1. */
  brightness?: number;
  /** Multiplied around mid-grey: uniform in 1 ± contrast. */
  contrast?: number;
  /** Exponent: uniform in 1 ± gamma. */
  gamma?: number;
  /** Standard deviation of added pixel noise. */
  noise?: number;
}

/** Changes pixels in 0…1 in place. */
export type Augment = (pixels: Float32Array, random: Random) => void;

/**
 * Random exposure for training: brightness, contrast, gamma, noise. Nothing is flipped or turned, since a report says
 * left and right. (Random crops come from `resizePadCrop`.)
 *
 * @param options each 0.1 by default, `noise` 0.01; 0 switches a part off.
 * @returns a function for `batches({ augment })`.
 * @example
 * const pixels = Float32Array.of(0.2, 0.8);
 * exposureJitter({ brightness: 0, contrast: 0, gamma: 0, noise: 0 })(pixels, randomStream(1));
 * pixels; // [0.2, 0.8]
 */
export function exposureJitter({
  brightness = 0.1,
  contrast = 0.1,
  gamma = 0.1,
  noise = 0.01,
}: AugmentOptions = {}): Augment {
  for (const [name, value] of Object.entries({ brightness, contrast, gamma, noise })) {
    if (!(value >= 0 && value < 1))
      throw new DataError(`exposureJitter: ${name}: expected 0 <= ${name} < 1, got ${value}`);
  }
  return (pixels, random) => {
    const shift = random.between(-brightness, brightness);
    const slope = random.between(1 - contrast, 1 + contrast);
    const exponent = random.between(1 - gamma, 1 + gamma);
    const tone = (x: number) => 0.5 + shift + slope * (x ** exponent - 0.5);
    // A power takes long: from 1/16 to 1 the curve is straight lines between points so close that none is 2e-6 off.
    const curve = new Float64Array(CELLS + 1);
    for (let i = CELLS / 16; i <= CELLS; i++) curve[i] = tone(i / CELLS);
    const table = noise === 0 ? undefined : normals();
    // xorshift32 (Marsaglia 2003) in a local variable: a call of `random` for each pixel takes half as long again.
    let bits = noise === 0 ? 0 : random.integer(1, 2 ** 32 - 1) | 0;
    for (let i = 0; i < pixels.length; i++) {
      const x = pixels[i]!;
      const at = x * CELLS;
      let value: number;
      if (at >= CELLS / 16 && at < CELLS) {
        const cell = Math.trunc(at);
        value = curve[cell]! + (at - cell) * (curve[cell + 1]! - curve[cell]!);
      } else value = tone(x);
      if (table) {
        bits ^= bits << 13;
        bits ^= bits >>> 17;
        bits ^= bits << 5;
        value += noise * table[bits >>> 16]!;
      }
      pixels[i] = Math.min(1, Math.max(0, value));
    }
  };
}

const CELLS = 2048;

let drawn: Float32Array | undefined;

/** 65536 numbers drawn from N(0, 1): picking one for each pixel takes a third of the time of drawing it. */
function normals(): Float32Array {
  if (!drawn) {
    const random = randomStream('normal');
    drawn = Float32Array.from({ length: 2 ** 16 }, () => random.normal());
  }
  return drawn;
}
