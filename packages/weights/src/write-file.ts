import type { FileHandle } from 'node:fs/promises';
import { plan, type SafetensorsInput, type SafetensorsOptions, toBytes } from './encode';
import { fileSystem, named } from './node';

/**
 * Writes a safetensors file (Node) so that a reader sees the old file or the new one, never a part: a temporary file in the
 * same folder is written tensor by tensor, flushed to the disk and renamed. On an error it is removed.
 *
 * @param path where; the folder must exist.
 * @param tensors as for {@link encodeSafetensors}; they are read, and must not change until the file is written.
 * @param options `metadata`: strings by name.
 * @throws {SafetensorsError} as {@link encodeSafetensors}, or if the system cannot write; its message starts with the path,
 *   `code` is the system's (`ENOSPC`, `EACCES`). What was at the path before is still there.
 * @example
 * const { mkdtemp } = await import('node:fs/promises');
 * const path = `${await mkdtemp('weights-')}/model.safetensors`;
 * await writeSafetensors(path, new Map([['w', { shape: [1], data: Int32Array.of(7) }]]), { metadata: { step: '3' } });
 * (await readSafetensors(path)).metadata; // {"step":"3"}
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, SafetensorsInput>,
  options: SafetensorsOptions = {},
): Promise<void> {
  try {
    const { header, items } = plan(tensors, options);
    await writeWhole(path, async (file) => {
      await file.writeFile(header);
      for (const item of items) await file.writeFile(toBytes(item));
    });
  } catch (error) {
    throw named(`${path}: cannot be written`, error);
  }
}

/** Writes beside the path and renames. A random name: two writers of one path must not meet, nor remove each other's file. */
async function writeWhole(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const { open, rename, rm } = fileSystem();
  const temporary = `${path}.${globalThis.crypto.randomUUID().slice(0, 8)}.tmp`;
  const file = await open(temporary, 'wx');
  try {
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    // Whatever stops the removal, the first error is the one to see.
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
}
