import type * as FileSystem from 'node:fs/promises';
import type * as Paths from 'node:path';
import { OptionError } from '@medalign/similarity';

/** Node's file system and paths, asked for at run time: bundlers for the browser find no import of them. */
export function nodeFiles(): Pick<typeof FileSystem, 'readFile' | 'stat'> &
  Pick<typeof Paths, 'basename' | 'dirname' | 'join'> {
  const get = globalThis.process?.getBuiltinModule;
  if (!get) {
    throw new OptionError(
      'path: there are no files here, only in Node. Fix: fetch them; createTokenizer takes a vocabulary, and fromPretrained { weights } with the config option',
    );
  }
  const { readFile, stat } = get('node:fs/promises');
  const { basename, dirname, join } = get('node:path');
  return { readFile, stat, basename, dirname, join };
}
