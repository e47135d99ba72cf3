import { checkPixels, finiteRange, ReportError } from './checks';
import { colorAt, DIVERGING, SEQUENTIAL } from './colors';
import type { MapStyle, ReportMap } from './types';

/** A map as colours, and the ends of its colour bar. */
export interface PaintedMap {
  /** Red, green, blue and opacity in 0…255, row by row: what `ImageData` takes. */
  pixels: Uint8ClampedArray<ArrayBuffer>;
  width: number;
  height: number;
  low: number;
  high: number;
  /** Pixels whose value is NaN. */
  unknown: number;
  /** Whether values lie under and above the ends: they have the colour of the end. */
  beyond: { low: boolean; high: boolean };
}

/**
 * A map as colours to lay over an image: opacity grows with the value (diverging: with the distance from 0), so the image
 * stays readable where the map says nothing. Unknown pixels are an even grey. Runs in browsers too.
 *
 * @param map the values; NaN where the model saw nothing.
 * @param style colours and range; default: sequential, from the smallest to the largest value.
 * @param argument what errors call the map.
 * @throws {ReportError} if sizes do not fit, or the range is empty.
 * @example
 * const painted = paintMap({ data: [0, 1], width: 2, height: 1 });
 * painted.pixels; // [0, 0, 4, 13, 252, 255, 164, 191]
 */
export function paintMap(
  map: ReportMap,
  { colors = 'sequential', range }: MapStyle = {},
  argument = 'map',
): PaintedMap {
  checkPixels(argument, map);
  const { data, width, height } = map;
  const [low, high] = limits(data, colors, range, argument);
  const [least, most] = finiteRange(data) ?? [low, high];
  const samples = colors === 'diverging' ? DIVERGING : SEQUENTIAL;
  const pixels = new Uint8ClampedArray(data.length * 4);
  let unknown = 0;
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    if (Number.isNaN(value)) {
      unknown++;
      pixels.set([128, 128, 128, 150], i * 4);
      continue;
    }
    const t = high > low ? Math.min(Math.max((value - low) / (high - low), 0), 1) : 0;
    const strength = colors === 'diverging' ? Math.abs(2 * t - 1) : t;
    const [r, g, b] = colorAt(samples, t);
    pixels.set([r, g, b, 255 * (0.05 + 0.7 * strength)].map(Math.round), i * 4);
  }
  return { pixels, width, height, low, high, unknown, beyond: { low: least < low, high: most > high } };
}

/**
 * The colours of a colour bar from its low end to its high end, evenly spaced: `#rrggbb`.
 *
 * @example
 * colorStops('sequential').length; // 10
 */
export function colorStops(colors: NonNullable<MapStyle['colors']> = 'sequential'): string[] {
  return (colors === 'diverging' ? DIVERGING : SEQUENTIAL).map((color) => `#${color}`);
}

function limits(data: ArrayLike<number>, colors: string, range: MapStyle['range'], argument: string): [number, number] {
  if (range && !(range[0] < range[1])) {
    throw new ReportError(`${argument}.range: expected [low, high] with low < high, got [${range[0]}, ${range[1]}].`);
  }
  const [low, high] = range ?? finiteRange(data) ?? [0, 0];
  if (colors !== 'diverging') return [low, high];
  const reach = Math.max(Math.abs(low), Math.abs(high));
  return [-reach, reach];
}
