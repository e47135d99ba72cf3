import type * as FileSystem from 'node:fs/promises';
import { SafetensorsError } from './error';

/** Node's file system, asked for at run time: bundlers for the browser find no import of it. */
export function fileSystem(): typeof FileSystem {
  const found = globalThis.process?.getBuiltinModule?.('node:fs/promises');
  if (!found) {
    throw new SafetensorsError('there are no files here, only in Node. Fix: fetch the bytes and use decodeSafetensors');
  }
  return found;
}

/** An error with the path before it; the system's code (ENOENT, ENOSPC) stays readable. */
export function named(path: string, error: unknown): SafetensorsError {
  const { message, code } = error as NodeJS.ErrnoException;
  const wrapped = new SafetensorsError(`${path}: ${message}`, { cause: error });
  if (code !== undefined) wrapped.code = code;
  return wrapped;
}
