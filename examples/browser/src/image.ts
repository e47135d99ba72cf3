import type { Raster } from '@medalign/datasets/transforms';

/** What was given is not an image that this page reads. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
}

/** The kind of a file by its first bytes; its name may say anything. */
export function imageKind(bytes: Uint8Array): 'PNG' | 'JPEG' | undefined {
  const starts = (mark: number[]) => mark.every((byte, i) => bytes[i] === byte);
  if (starts([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return 'PNG';
  return starts([0xff, 0xd8, 0xff]) ? 'JPEG' : undefined;
}

/** A decoded image: its pixels, and the canvas that they come from. */
export interface Picture {
  name: string;
  raster: Raster;
  canvas: HTMLCanvasElement;
}

/**
 * Decodes a PNG or JPEG as the loader of training does: upright, transparency laid on black, no colour management.
 *
 * @throws {ImageError} naming the file and what it is not.
 */
export async function readImage(file: File): Promise<Picture> {
  const head = new Uint8Array(await file.slice(0, 8).arrayBuffer());
  const kind = imageKind(head);
  if (!kind) {
    throw new ImageError(
      `${file.name}: expected a PNG or JPEG image, got something else. Fix: save the image in one of these formats`,
    );
  }
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: 'none' }).catch(() => {
    throw new ImageError(`${file.name}: this ${kind} cannot be decoded: broken, or not all of it is there`);
  });
  const { width, height } = bitmap;
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new ImageError(`${file.name}: ${width} × ${height} pixels are more than this browser can hold`);
  context.fillStyle = '#000';
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { name: file.name, raster: toRgb(context.getImageData(0, 0, width, height)), canvas };
}

/** Without the opacity, which is 1 everywhere. */
export function toRgb({ data, width, height }: Pick<ImageData, 'data' | 'width' | 'height'>): Raster {
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4) {
    rgb[to++] = data[from]!;
    rgb[to++] = data[from + 1]!;
    rgb[to++] = data[from + 2]!;
  }
  return { data: rgb, width, height, channels: 3 };
}
