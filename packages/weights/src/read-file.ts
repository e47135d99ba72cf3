import { decodeSafetensors, SafetensorsMap } from './decode';
import { openSafetensors } from './open-safetensors';

/**
 * Reads a safetensors file. From a path each tensor is read straight into its own array: the file is never in memory as a
 * whole, and may be larger than one buffer can be.
 *
 * @param pathOrBytes a path (Node), or the file's bytes (anywhere).
 * @returns names → `{ dtype, shape, data }`, as {@link decodeSafetensors}.
 * @throws {SafetensorsError} as {@link decodeSafetensors}; its message starts with the path, `code` is the system's (`ENOENT`).
 * @example
 * const bytes = encodeSafetensors(new Map([['w', { shape: [2], data: Float32Array.of(1, 2) }]]));
 * (await readSafetensors(bytes)).get('w')!.shape; // [2]
 */
export async function readSafetensors(pathOrBytes: string | Uint8Array): Promise<SafetensorsMap> {
  if (typeof pathOrBytes !== 'string') return decodeSafetensors(pathOrBytes);
  const file = await openSafetensors(pathOrBytes);
  try {
    const tensors = new SafetensorsMap();
    tensors.metadata = file.metadata;
    for (const name of file.names) tensors.set(name, await file.read(name));
    return tensors;
  } finally {
    await file.close();
  }
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
  const file = await openSafetensors(pathOrBytes);
  await file.close();
  return file.metadata;
}
