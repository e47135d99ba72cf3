import type { Raster } from './types';

interface Span {
  first: number;
  weights: Float64Array;
}

/** For each output pixel, the input pixels it covers and by how much; bilinear where the image grows. */
function spans(from: number, to: number): Span[] {
  const ratio = from / to;
  return Array.from({ length: to }, (_, i) => {
    if (ratio <= 1) {
      const at = Math.min(from - 1, Math.max(0, (i + 0.5) * ratio - 0.5));
      const first = Math.floor(at);
      return first + 1 < from
        ? { first, weights: Float64Array.of(1 - (at - first), at - first) }
        : { first, weights: Float64Array.of(1) };
    }
    const [start, end] = [i * ratio, Math.min(from, (i + 1) * ratio)];
    const first = Math.floor(start + 1e-9);
    const last = Math.min(from, Math.ceil(end - 1e-9));
    const weights = Float64Array.from({ length: last - first }, (_, k) => {
      const covered = Math.min(end, first + k + 1) - Math.max(start, first + k);
      return covered / (end - start);
    });
    return { first, weights };
  });
}

/**
 * Resizes an image. Where it shrinks, each output pixel is the mean of the area it covers (no aliasing, no ringing);
 * where it grows, bilinear with half-pixel centres.
 *
 * @returns `Float32Array` pixels in the units of the input (0…255 for 8-bit input, 0…1 for float).
 * @example
 * resizeArea({ data: Uint8Array.of(0, 100, 200, 40), width: 4, height: 1, channels: 1 }, 2, 1).data; // [50, 120]
 */
export function resizeArea(image: Raster, width: number, height: number): Raster & { data: Float32Array } {
  const { channels } = image;
  const columns = spans(image.width, width);
  const rows = spans(image.height, height);
  const narrow = new Float32Array(image.height * width * channels);
  for (let y = 0, at = 0; y < image.height; y++) {
    const row = y * image.width * channels;
    for (const { first, weights } of columns) {
      for (let c = 0; c < channels; c++, at++) {
        let sum = 0;
        let from = row + first * channels + c;
        for (let k = 0; k < weights.length; k++, from += channels) sum += weights[k]! * image.data[from]!;
        narrow[at] = sum;
      }
    }
  }
  const stride = width * channels;
  const data = new Float32Array(height * stride);
  rows.forEach(({ first, weights }, y) => {
    for (let k = 0; k < weights.length; k++) {
      const weight = weights[k]!;
      const from = (first + k) * stride;
      for (let i = 0; i < stride; i++) data[y * stride + i] = data[y * stride + i]! + weight * narrow[from + i]!;
    }
  });
  return { data, width, height, channels };
}
