import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomStream } from '@medalign/datasets';
import sharp from 'sharp';

/** Width and height of the images, in pixels. */
export const IMAGE_SIDE = 1024;

/** Grey images with the smooth shades and the grain of a chest X-ray, half of a folder JPEG and half PNG. */
export interface ImageFolder {
  jpeg: string[];
  png: string[];
  remove(): void;
}

/** Writes `count` images of each kind into a new temporary folder. */
export async function makeImages(count: number): Promise<ImageFolder> {
  const folder = mkdtempSync(join(tmpdir(), 'medalign-bench-'));
  const names = (extension: string) => Array.from({ length: count }, (_, i) => join(folder, `${i}.${extension}`));
  const images: ImageFolder = {
    jpeg: names('jpg'),
    png: names('png'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
  for (let i = 0; i < count; i++) {
    const image = sharp(shades(i), { raw: { width: IMAGE_SIDE, height: IMAGE_SIDE, channels: 1 } }).toColourspace(
      'b-w',
    );
    await image.clone().jpeg({ quality: 90 }).toFile(images.jpeg[i]!);
    await image.clone().png().toFile(images.png[i]!);
  }
  return images;
}

/** Two dark lungs on a bright body, with noise. */
function shades(seed: number): Uint8Array {
  const random = randomStream(seed, 'bench');
  const pixels = new Uint8Array(IMAGE_SIDE * IMAGE_SIDE);
  for (let y = 0, i = 0; y < IMAGE_SIDE; y++) {
    for (let x = 0; x < IMAGE_SIDE; x++, i++) {
      const [across, down] = [x / IMAGE_SIDE - 0.5, y / IMAGE_SIDE - 0.5];
      const lung = Math.exp(-(((Math.abs(across) - 0.2) / 0.12) ** 2) - (down / 0.3) ** 2);
      pixels[i] = 40 + 150 * Math.exp(-(((across / 0.45) ** 2) ** 2)) * (1 - 0.7 * lung) + random.between(0, 16);
    }
  }
  return pixels;
}
