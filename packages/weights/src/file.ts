import type { FileHandle } from 'node:fs/promises';
import { decodeSafetensors, encodeSafetensors, type SafetensorsInput, type SafetensorsMap } from './codec';
import { SafetensorsError } from './error';
import { headerEnd, readHeader } from './header';

/**
 * Reads a safetensors file.
 *
 * @param pathOrBytes a path (Node), or the file's bytes (anywhere).
 * @returns names → `{ dtype, shape, data }`, as `decodeSafetensors`.
 * @throws SafetensorsError, its message starting with the path, if the file is missing or not right.
 * @example
 * const bytes = encodeSafetensors(new Map([['w', { shape: [2], data: Float32Array.of(1, 2) }]]));
 * (await readSafetensors(bytes)).get('w').shape; // [2]
 */
export async function readSafetensors(pathOrBytes: string | Uint8Array): Promise<SafetensorsMap> {
  if (typeof pathOrBytes !== 'string') return decodeSafetensors(pathOrBytes);
  const { readFile } = await import('node:fs/promises');
  try {
    return decodeSafetensors(await readFile(pathOrBytes));
  } catch (error) {
    throw named(pathOrBytes, error);
  }
}

/**
 * Reads only the metadata of a safetensors file: the header is read and checked, the tensors are not.
 *
 * @param pathOrBytes a path (Node), or the file's bytes (anywhere).
 * @returns strings by name; empty if the file has none.
 * @throws {SafetensorsError} if the file is missing, truncated or not right.
 * @example
 * const tensors = new Map([['w', { shape: [1], data: Float32Array.of(1) }]]);
 * await readSafetensorsMetadata(encodeSafetensors(tensors, { metadata: { step: '3' } })); // {"step":"3"}
 */
export async function readSafetensorsMetadata(pathOrBytes: string | Uint8Array): Promise<Record<string, string>> {
  if (typeof pathOrBytes !== 'string') return readHeader(pathOrBytes).metadata;
  const { open } = await import('node:fs/promises');
  try {
    const file = await open(pathOrBytes);
    try {
      const { size } = await file.stat();
      const first = await readStart(file, Math.min(8, size));
      const header = await readStart(file, headerEnd(first, size));
      return readHeader(header, size).metadata;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw named(pathOrBytes, error);
  }
}

async function readStart(file: FileHandle, length: number): Promise<Uint8Array> {
  const { bytesRead, buffer } = await file.read(new Uint8Array(length), 0, length, 0);
  return buffer.subarray(0, bytesRead);
}

/** The error with the path before it; the system's code (ENOENT, ENOSPC) stays readable. */
function named(path: string, error: unknown): SafetensorsError {
  const { message, code } = error as NodeJS.ErrnoException;
  return Object.assign(
    new SafetensorsError(`${path}: ${message}`, { cause: error }),
    code === undefined ? {} : { code },
  );
}

/**
 * Writes a safetensors file (Node) so that a reader sees the old file or the new one, never a part: a temporary file in the
 * same folder is written, flushed to the disk and renamed. On an error the temporary file is removed.
 *
 * @param path where; the folder must exist.
 * @param tensors and options as for `encodeSafetensors`.
 * @throws SafetensorsError for tensors that cannot be written, or when the folder cannot.
 * @example
 * const { mkdtemp } = await import('node:fs/promises');
 * const path = `${await mkdtemp('/tmp/weights-')}/model.safetensors`;
 * await writeSafetensors(path, new Map([['w', { shape: [1], data: Int32Array.of(7) }]]), { metadata: { step: '3' } });
 * (await readSafetensors(path)).metadata.step; // "3"
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, SafetensorsInput>,
  options: { metadata?: Record<string, string> } = {},
): Promise<void> {
  const bytes = encodeSafetensors(tensors, options);
  const { open, rename, rm } = await import('node:fs/promises');
  const temporary = `${path}.${process.pid}.${Date.now().toString(36)}.tmp`;
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw named(`${path}: cannot be written`, error);
  }
}
