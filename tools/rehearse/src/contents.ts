import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Stage } from './stage';

const lists = fileURLToPath(new URL('../contents', import.meta.url));

/** The command that writes the lists anew, for a change that is meant. */
export const updateCommand = 'npm run release:rehearse -- --update-contents';

/** Names of files in an uploaded package; the part of a name that is a checksum is written HASH. */
export async function publishedFiles(stage: Stage, name: string, version: string): Promise<string[]> {
  const listed = await stage.run('tar', ['-tzf', stage.registry.tarball(name, version)], stage.folder);
  return [...new Set(listed.trim().split('\n').map(plainName))].sort();
}

/** `package/dist/chunk-2RH7HXXW.js` → `dist/chunk-HASH.js` */
export function plainName(file: string): string {
  return file
    .replace(/^package\//, '')
    .replace(/^(dist\/.+)-(?=[^.]*[A-Z0-9])[\w-]{8}(?=\.(d\.ts|js|js\.map)$)/, '$1-HASH');
}

/** A diff of what is there against what should be: empty if they agree. */
export function contentsDiff(wanted: string[], found: string[]): string[] {
  return [
    ...wanted.filter((file) => !found.includes(file)).map((file) => `- ${file}   (missing)`),
    ...found.filter((file) => !wanted.includes(file)).map((file) => `+ ${file}   (unexpected)`),
  ];
}

const listOf = (name: string) => join(lists, `${name.split('/').at(-1)}.txt`);

/** Not in the lists: changesets writes it with the first version. The upgrade looks for it. */
const isListed = (file: string) => file !== 'CHANGELOG.md';

/** Compares a package with its committed list. */
export function checkContents(name: string, found: string[]): void {
  const wanted = existsSync(listOf(name)) ? readFileSync(listOf(name), 'utf8').trim().split('\n') : [];
  const diff = contentsDiff(wanted, found.filter(isListed));
  if (diff.length)
    throw new Error(
      `${name} holds other files than its list says:\n${diff.join('\n')}\nIf they are meant: ${updateCommand}`,
    );
}

export function updateContents(name: string, found: string[]): void {
  writeFileSync(listOf(name), `${found.filter(isListed).join('\n')}\n`);
}
