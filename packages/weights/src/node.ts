import type * as FileSystem from 'node:fs/promises';
import type * as Paths from 'node:path';
import { type ErrorKind, WeightsError } from './error';

/** Node's file system, asked for at run time: bundlers for the browser find no import of it. */
export function fileSystem(): typeof FileSystem {
  const found = globalThis.process?.getBuiltinModule?.('node:fs/promises');
  if (!found) {
    throw new WeightsError(
      'there are no files here, only in Node. Fix: fetch the bytes; readWeights and decodeSafetensors take them',
    );
  }
  return found;
}

/** Node's paths, where {@link fileSystem} is. */
export const paths = (): typeof Paths => globalThis.process.getBuiltinModule('node:path');

/** An error with the path before it; the system's code (ENOENT, ENOSPC) stays readable. */
export function named(path: string, error: unknown, Kind: ErrorKind): WeightsError {
  const { message, code } = error as NodeJS.ErrnoException;
  const wrapped = new Kind(`${path}: ${message}`, { cause: error });
  if (code !== undefined) wrapped.code = code;
  return wrapped;
}
