import { open } from 'node:fs/promises';
import { extname } from 'node:path';
import { dicomSize } from './dicom';
import { decodeDicom } from './dicom-raster';
import { DataError, type DicomOptions, type ImageSource, type Raster } from './types';

const LFS_HEAD = 'version https://git-lfs.github.com/spec/';

/**
 * Whether a file is a Git-LFS pointer: a short text in place of the data, left by a clone without `git lfs`.
 *
 * @example
 * const { writeFile } = await import('node:fs/promises');
 * const path = `${(await import('node:os')).tmpdir()}/pointer.png`;
 * await writeFile(path, 'version https://git-lfs.github.com/spec/v1\n');
 * await isLfsPointer(path); // true
 */
export async function isLfsPointer(path: string): Promise<boolean> {
  return (await textAt(path, 0, LFS_HEAD.length)) === LFS_HEAD;
}

async function textAt(path: string, position: number, length: number): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}

const otherImages = new Set(['.jpg', '.jpeg', '.png', '.webp', '.tif', '.tiff', '.gif', '.avif']);

/** By the name, or by the mark in the file where the name does not tell. */
async function isDicom(path: string): Promise<boolean> {
  const extension = extname(path).toLowerCase();
  if (extension === '.dcm') return true;
  return !otherImages.has(extension) && (await textAt(path, 128, 4).catch(() => '')) === 'DICM';
}

/** Why a file could not be read, in words that help. */
async function reason(path: string, error: unknown): Promise<string> {
  const pointer = await isLfsPointer(path).catch(() => false);
  if (pointer) return 'it is a Git-LFS pointer, not an image. Fix: run `git lfs pull` where the data came from';
  return (error as Error).message;
}

/** The error to give: that of a DICOM file names it already. */
async function failure(path: string, what: string, error: unknown): Promise<DataError> {
  const said = error instanceof DataError && !(await isLfsPointer(path).catch(() => false));
  return said ? error : new DataError(`${path}: ${what}: ${await reason(path, error)}`);
}

/** @throws {DataError} if the file is a Git-LFS pointer. Readers ask for the first image: the others are like it. */
export async function refuseLfsPointer(path: string): Promise<void> {
  if (await isLfsPointer(path)) {
    throw new DataError(`${path}: this is a Git-LFS pointer, not an image. Fix: run \`git lfs pull\` at its source`);
  }
}

let library: Promise<typeof import('sharp')> | undefined;

/** `sharp` is loaded on first use, so that the phantom and the transforms need nothing native. */
async function decoder(path: string) {
  library ??= import('sharp');
  return (await library).default(path, { failOn: 'error' });
}

/**
 * Width and height of an image file as it will be decoded (upright), from its header alone.
 *
 * @throws {DataError} naming the file and why it cannot be read.
 */
export async function imageSize(path: string): Promise<{ width: number; height: number }> {
  try {
    if (await isDicom(path)) {
      return await dicomSize(path);
    }
    const { autoOrient } = await (await decoder(path)).metadata();
    return { width: autoOrient.width, height: autoOrient.height };
  } catch (error) {
    throw await failure(path, 'cannot read the image', error);
  }
}

/**
 * Decodes an image file (JPEG, PNG, WebP, TIFF, GIF, DICOM) on a thread of its own.
 *
 * Upright by its EXIF orientation; a palette becomes colours; CMYK becomes RGB; transparency is laid on black; 16 bits
 * become `Float32Array` in 0…1 of the full 16-bit range, 8 bits `Uint8Array`. Grey stays one channel. DICOM: as
 * `decodeDicom`.
 *
 * @param options `dicom` for DICOM files, see `decodeDicom`.
 * @throws {DataError} naming the file and why: broken, truncated, missing, a Git-LFS pointer.
 */
export async function decodeImage(path: string, { dicom }: { dicom?: DicomOptions } = {}): Promise<Raster> {
  try {
    if (await isDicom(path)) return await decodeDicom(path, dicom);
    const image = await decoder(path);
    const { space, depth } = await image.metadata();
    const grey = space === 'b-w' || space === 'grey16';
    const wide = depth === 'ushort';
    const upright = image.autoOrient().flatten({ background: '#000000' });
    const target = grey ? (wide ? 'grey16' : 'b-w') : wide ? 'rgb16' : 'srgb';
    const { data, info } = await upright
      .toColourspace(target)
      .raw({ depth: wide ? 'ushort' : 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    if (!wide) return { data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength), width, height, channels };
    const values = new Uint16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
    const scaled = new Float32Array(values.length);
    for (let i = 0; i < values.length; i++) scaled[i] = values[i]! / 65535;
    return { data: scaled, width, height, channels };
  } catch (error) {
    throw await failure(path, 'cannot decode the image', error);
  }
}

/**
 * The pixels of a sample's image, decoded if they are in a file.
 *
 * @throws {DataError} as `decodeImage`.
 * @example
 * const { samples } = phantomChest({ patients: 1 });
 * (await loadImage(samples[0].image)).width; // 64
 */
export async function loadImage(image: ImageSource): Promise<Raster> {
  return image.kind === 'file' ? decodeImage(image.path, { dicom: image.dicom }) : image;
}
