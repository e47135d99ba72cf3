import { readSafetensors } from '@medalign/weights';
import type { StateDict } from './state';

/** The arrays of a weights file, or of the usual one of a folder, and which files were read. */
export async function readState(path: string): Promise<{ state: StateDict; source: string[] }> {
  const { stat } = await import('node:fs/promises');
  const { join } = await import('node:path');
  const folder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const file = folder ? join(path, 'model.safetensors') : path;
  return { state: await readSafetensors(file), source: [file] };
}
