import { type Box, DataError, type Raster, type Roi } from './types';

/** Options of {@link proposeRois}. */
export interface ProposeRoisOptions {
  /** At most this many. */
  count?: number;
  /** Sides of the boxes that are tried, in parts of the shorter side of the image. */
  sizes?: readonly number[];
  /** Boxes that overlap a better one by more than this (intersection over union) are left out. */
  overlap?: number;
  /** Scores below this are left out. */
  minScore?: number;
}

/** Sums of values and of their squares over any rectangle, for one channel in 0…1. */
function integral({ data, width, height, channels }: Raster, channel: number) {
  const stride = width + 1;
  const [sums, squares] = [new Float64Array(stride * (height + 1)), new Float64Array(stride * (height + 1))];
  const unit = data instanceof Uint8Array ? 255 : 1;
  for (let y = 0; y < height; y++) {
    let [row, rowSquares] = [0, 0];
    for (let x = 0; x < width; x++) {
      const value = data[(y * width + x) * channels + channel]! / unit;
      row += value;
      rowSquares += value * value;
      const at = (y + 1) * stride + x + 1;
      sums[at] = sums[at - stride]! + row;
      squares[at] = squares[at - stride]! + rowSquares;
    }
  }
  const over = (table: Float64Array, left: number, top: number, right: number, bottom: number) =>
    table[bottom * stride + right]! -
    table[bottom * stride + left]! -
    table[top * stride + right]! +
    table[top * stride + left]!;
  return (...edges: [number, number, number, number]) => ({
    sum: over(sums, ...edges),
    squares: over(squares, ...edges),
  });
}

/** Below this the values of a region count as equal: about twelve steps of 8 bits, so that noise does not stand out. */
const FLAT = 0.05;

function overlapOf(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (a.width * a.height + b.width * b.height - width * height);
}

/**
 * Boxes around what stands out: regions of interest for images that come without, with no model at all.
 *
 * Square windows of several sizes are scored by their contrast to the ring around them (a window twice as wide, cut at the
 * image's border), the largest of the channels:
 *
 *     c = |mean_in − mean_ring| / sqrt(var_in + var_ring + 0.05²),  score = c / (1 + c)
 *
 * Then non-maximum suppression. This finds compact things, brighter, darker or of another colour than their surroundings;
 * it knows nothing of anatomy, so expect normal structures among them. A detector's boxes come in by `readRois`.
 *
 * @param image grey or colour, in 0…255 or 0…1.
 * @param options `count` 4, `sizes` 1/8 to 1/3 in five steps, `overlap` 0.2, `minScore` 0.3 (c above 0.43).
 * @returns best first, in pixels of the image, `source` saliency. Where nothing reaches `minScore` (a flat image),
 * **one box: the whole image, score 0**.
 * @throws {DataError} on a wrong option, or an image without pixels.
 * @example
 * const data = new Uint8Array(32 * 32);
 * for (let y = 8; y < 14; y++) data.fill(255, 32 * y + 20, 32 * y + 26);
 * const [best] = proposeRois({ data, width: 32, height: 32, channels: 1 });
 * Math.abs(best.x - 20) <= 1 && Math.abs(best.y - 8) <= 1; // true
 */
export function proposeRois(image: Raster, options: ProposeRoisOptions = {}): Roi[] {
  const { count = 4, sizes = [1 / 8, 1 / 6.5, 1 / 5, 1 / 4, 1 / 3], overlap = 0.2, minScore = 0.3 } = options;
  const { width, height, channels, data } = image;
  const check = (name: string, fine: boolean, wanted: string, got: unknown) => {
    if (!fine) throw new DataError(`proposeRois: ${name}: expected ${wanted}, got ${JSON.stringify(got)}`);
  };
  check(
    'image',
    width >= 1 && height >= 1 && data.length === width * height * channels,
    'width × height × channels values',
    [width, height, channels, data.length],
  );
  check('count', Number.isInteger(count) && count >= 1, 'a whole number >= 1', count);
  check('sizes', sizes.length > 0 && sizes.every((s) => s > 0 && s <= 1), 'parts in 0…1', sizes);
  check('overlap', overlap >= 0 && overlap <= 1, 'a share in 0…1', overlap);
  check('minScore', minScore >= 0 && minScore < 1, 'a number in 0…1', minScore);

  const over = Array.from({ length: channels }, (_, c) => integral(image, c));
  const contrast = (left: number, top: number, side: number): number => {
    const ring = Math.max(1, Math.round(side / 2));
    const inner = [left, top, left + side, top + side] as const;
    const outer = [
      Math.max(0, left - ring),
      Math.max(0, top - ring),
      Math.min(width, left + side + ring),
      Math.min(height, top + side + ring),
    ] as const;
    const n = side * side;
    const around = (outer[2] - outer[0]) * (outer[3] - outer[1]) - n;
    if (around <= 0) return 0;
    let most = 0;
    for (const sums of over) {
      const [inside, all] = [sums(...inner), sums(...outer)];
      const [mean, ringMean] = [inside.sum / n, (all.sum - inside.sum) / around];
      const variance = Math.max(0, inside.squares / n - mean * mean);
      const ringVariance = Math.max(0, (all.squares - inside.squares) / around - ringMean * ringMean);
      most = Math.max(most, Math.abs(mean - ringMean) / Math.sqrt(variance + ringVariance + FLAT * FLAT));
    }
    return most;
  };

  const found: Roi[] = [];
  const sides = new Set(sizes.map((part) => Math.max(1, Math.round(part * Math.min(width, height)))));
  for (const side of sides) {
    const step = Math.max(1, Math.floor(side / 6));
    for (let top = 0; top + side <= height; top += step) {
      for (let left = 0; left + side <= width; left += step) {
        const c = contrast(left, top, side);
        const score = c / (1 + c);
        if (score >= minScore && score > 0) {
          found.push({ x: left, y: top, width: side, height: side, source: 'saliency', score });
        }
      }
    }
  }
  found.sort((a, b) => b.score - a.score || a.y - b.y || a.x - b.x || b.width - a.width);
  const kept: Roi[] = [];
  for (const roi of found) {
    if (kept.length === count) break;
    if (kept.every((other) => overlapOf(roi, other) <= overlap)) kept.push(roi);
  }
  return kept.length > 0 ? kept : [{ x: 0, y: 0, width, height, source: 'saliency', score: 0 }];
}
