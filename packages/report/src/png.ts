import sharp, { type Sharp } from 'sharp';
import { checkPixels, finiteRange } from './checks';
import { type PaintedMap, paintMap } from './paint';
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
export interface ColoredMap extends Pick<PaintedMap, 'low' | 'high' | 'unknown' | 'beyond'> {
  png: Buffer;
}

/** The map as a transparent PNG over the image, coloured as `paintMap` says. */
export async function mapToPng(
  map: ReportMap,
  style: MapStyle = {},
  argument = 'map',
  longest = LONGEST_SIDE,
): Promise<ColoredMap> {
  const { pixels, width, height, ...ends } = paintMap(map, style, argument);
  const picture = shrink(sharp(pixels, { raw: { width, height, channels: 4 } }), longest);
  return { png: await picture.png({ compressionLevel: 9 }).toBuffer(), ...ends };
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

function shrink(picture: Sharp, longest: number): Sharp {
  // Never enlarged: the browser does that, and the file stays small.
  return picture.resize({ width: longest, height: longest, fit: 'inside', withoutEnlargement: true });
}
