import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import sharp from 'sharp';

/** Writes a file and the folders above it; packed if the name ends in `.gz`. */
export async function put(path: string, content: string | Uint8Array): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, path.endsWith('.gz') ? await promisify(gzip)(content) : content);
  return path;
}

/** A table as its publisher writes it: a header, a row per line. */
export const csv = (header: string, rows: readonly string[]) => `${[header, ...rows].join('\n')}\n`;

/** A grey ramp with a grain that depends on the seed: no picture of anybody. */
export function ramp(width: number, height: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    return Math.floor((200 * (x + y)) / (width + height)) + ((7919 * (i + 1) * (seed + 1)) % 23);
  });
}

/** A ramp as JPEG or PNG. */
export function picture(format: 'jpeg' | 'png', width: number, height: number, seed: number): Promise<Uint8Array> {
  return sharp(ramp(width, height, seed), { raw: { width, height, channels: 1 } })
    .toColourspace('b-w')
    [format]()
    .toBuffer();
}
