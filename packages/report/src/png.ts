import sharp, { type Sharp } from 'sharp';
import { checkPixels, finiteRange, ReportError } from './checks';
import { colorAt, DIVERGING, SEQUENTIAL } from './colors';
import type { MapStyle, ReportImage, ReportMap } from './types';

/** Longest side of a picture inside a report, in pixels: enough for a screen, small enough for a mail. */
export const LONGEST_SIDE = 512;

/** The image as a PNG, shrunk if it is large. */
export async function imageToPng(image: ReportImage, argument = 'image', longest = LONGEST_SIDE): Promise<Buffer> {
  const channels = image.channels ?? 1;
  checkPixels(argument, { ...image, channels });
  const { width, height } = image;
  return shrink(sharp(toBytes(image), { raw: { width, height, channels } }), longest)
    .png({ compressionLevel: 9 })
    .toBuffer();
}

/** A map as colours: the PNG, and the ends of its colour bar. */
export interface ColoredMap {
  png: Buffer;
  low: number;
  high: number;
  unknown: number;
  /** Whether values lie under and above the ends: they have the colour of the end. */
  beyond: { low: boolean; high: boolean };
}

/**
 * The map as a transparent PNG over the image: opacity grows with the value (diverging: with the distance from 0), so the
 * image stays readable where the map says nothing. Unknown pixels are an even grey.
 */
export async function mapToPng(
  map: ReportMap,
  { colors = 'sequential', range }: MapStyle = {},
  argument = 'map',
  longest = LONGEST_SIDE,
): Promise<ColoredMap> {
  checkPixels(argument, map);
  const { data, width, height } = map;
  const [low, high] = limits(data, colors, range, argument);
  const [least, most] = finiteRange(data) ?? [low, high];
  const samples = colors === 'diverging' ? DIVERGING : SEQUENTIAL;
  const pixels = Buffer.alloc(data.length * 4);
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
  const picture = shrink(sharp(pixels, { raw: { width, height, channels: 4 } }), longest);
  return {
    png: await picture.png({ compressionLevel: 9 }).toBuffer(),
    low,
    high,
    unknown,
    beyond: { low: least < low, high: most > high },
  };
}

/** Writes bytes into a page without a file beside it. */
export function dataUri(png: Buffer): string {
  return `data:image/png;base64,${png.toString('base64')}`;
}

function toBytes({ data, range }: ReportImage): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (data instanceof Uint8ClampedArray) return new Uint8Array(data.buffer, data.byteOffset, data.length);
  const [black, white] = range ?? finiteRange(data) ?? [0, 1];
  const scale = white > black ? 255 / (white - black) : 0;
  return Uint8Array.from(data, (value) => Math.min(Math.max(Math.round((value - black) * scale), 0), 255));
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

function shrink(picture: Sharp, longest: number): Sharp {
  // Never enlarged: the browser does that, and the file stays small.
  return picture.resize({ width: longest, height: longest, fit: 'inside', withoutEnlargement: true });
}
