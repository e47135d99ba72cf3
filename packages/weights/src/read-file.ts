import type { FileHandle } from 'node:fs/promises';
import { checkBytes, decodeSafetensors, SafetensorsMap, toEntry } from './decode';
import { SafetensorsError } from './error';
import { type Header, headerEnd, readHeader } from './header';
import { fileSystem, named } from './node';

/**
 * Reads a safetensors file. From a path each tensor is read straight into its own array: the file is never in memory as a
 * whole, and may be larger than one buffer can be.
 *
 * @param pathOrBytes a path (Node), or the file's bytes (anywhere).
 * @returns names → `{ dtype, shape, data }`, as {@link decodeSafetensors}.
 * @throws {SafetensorsError} as {@link decodeSafetensors}; its message starts with the path, `code` is the system's (`ENOENT`).
 * @example
 * const bytes = encodeSafetensors(new Map([['w', { shape: [2], data: Float32Array.of(1, 2) }]]));
 * (await readSafetensors(bytes)).get('w').shape; // [2]
 */
export async function readSafetensors(pathOrBytes: string | Uint8Array): Promise<SafetensorsMap> {
  if (typeof pathOrBytes !== 'string') return decodeSafetensors(pathOrBytes);
  return openFile(pathOrBytes, async (file, { entries, metadata }) => {
    const tensors = new SafetensorsMap();
    tensors.metadata = metadata;
    for (const entry of entries) {
      const { buffer } = await readRange(file, entry.begin, entry.end);
      tensors.set(entry.name, toEntry(entry, buffer));
    }
    return tensors;
  });
}

/**
 * Reads only the metadata of a safetensors file: the header is read and checked, the tensors are not.
 *
 * @param pathOrBytes a path (Node), or the file's bytes (anywhere).
 * @returns strings by name; empty if the file has none.
 * @throws {SafetensorsError} if the file is missing, truncated or its header is not right.
 * @example
 * const tensors = new Map([['w', { shape: [1], data: Float32Array.of(1) }]]);
 * await readSafetensorsMetadata(encodeSafetensors(tensors, { metadata: { step: '3' } })); // {"step":"3"}
 */
export async function readSafetensorsMetadata(pathOrBytes: string | Uint8Array): Promise<Record<string, string>> {
  if (typeof pathOrBytes === 'string') return openFile(pathOrBytes, async (_, { metadata }) => metadata);
  checkBytes(pathOrBytes);
  return readHeader(pathOrBytes).metadata;
}

/** Opens a file, checks its header, uses both, and closes the file whatever happens. */
async function openFile<T>(path: string, use: (file: FileHandle, header: Header) => Promise<T>): Promise<T> {
  try {
    const file = await fileSystem().open(path);
    try {
      const { size } = await file.stat();
      const first = await readRange(file, 0, Math.min(8, size));
      const start = await readRange(file, 0, headerEnd(first, size));
      return await use(file, readHeader(start, size));
    } finally {
      await file.close();
    }
  } catch (error) {
    throw named(path, error);
  }
}

/** What the system reads at once: its calls end at 2 GiB. */
const chunk = 2 ** 30;

async function readRange(file: FileHandle, begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(end - begin);
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, Math.min(chunk, bytes.length - done), begin + done);
    if (bytesRead === 0) throw new SafetensorsError(`it became shorter while it was read. Fix: read it again`);
    done += bytesRead;
  }
  return bytes;
}
