import type { FileHandle } from 'node:fs/promises';
import { type Plan, plan, type SafetensorsInput, type SafetensorsOptions, toBytes } from './encode';
import { SafetensorsError } from './error';
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
    const planned = plan(tensors, options);
    await writeWhole([{ path, write: (file) => writePlan(file, planned) }]);
  } catch (error) {
    throw named(`${path}: cannot be written`, error, SafetensorsError);
  }
}

/** A planned file, tensor by tensor. */
export async function writePlan(file: FileHandle, { header, items }: Plan): Promise<void> {
  await file.writeFile(header);
  for (const item of items) await file.writeFile(toBytes(item));
}

/** What is written, and where to. */
export type Job = { path: string; write(file: FileHandle): Promise<void> };

/**
 * Writes every file beside its path, flushed to the disk, and then renames them in their order; on an error all of them are
 * removed. Random names: two writers of one path must not meet, nor remove each other's file.
 *
 * @param before is asked between the two, and may still throw.
 */
export async function writeWhole(jobs: Job[], before?: () => Promise<void>): Promise<void> {
  const { open, rename, rm } = fileSystem();
  const mine: string[] = [];
  try {
    const temporaries: string[] = [];
    for (const { path, write } of jobs) {
      const temporary = `${path}.${globalThis.crypto.randomUUID().slice(0, 8)}.tmp`;
      const file = await open(temporary, 'wx');
      mine.push(temporary);
      try {
        await write(file);
        await file.sync();
      } finally {
        await file.close();
      }
      temporaries.push(temporary);
    }
    await before?.();
    for (const [i, { path }] of jobs.entries()) {
      await rename(temporaries[i]!, path);
      mine.push(path);
    }
  } catch (error) {
    // Whatever stops the removal, the first error is the one to see.
    for (const path of mine) await rm(path, { force: true }).catch(() => {});
    throw error;
  }
}
