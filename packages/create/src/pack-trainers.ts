import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { trainers } from './trainers';

/** What of an example somebody needs to train: its program, its settings, what it depends on; not its tests. */
const isPart = (path: string) => !/\.test\.ts$|[\\/]testing([\\/]|$)/.test(path);

const manifest = (folder: string) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/** What a trainer is type-checked with, in the repository's versions. */
function compilers(repository: string) {
  const { devDependencies } = manifest(repository);
  return Object.fromEntries(['@types/node', 'typescript'].map((name) => [name, devDependencies[name]]));
}

/** Copies the trainers from the repository's `examples/` into a folder, one folder each. Tests stay where they are. */
export function packTrainers(examples: string, target: string): void {
  for (const { folder } of Object.values(trainers)) {
    mkdirSync(join(target, folder), { recursive: true });
    for (const part of ['src', 'configs'])
      cpSync(join(examples, folder, part), join(target, folder, part), { recursive: true, filter: isPart });
    const { dependencies } = manifest(join(examples, folder));
    const list = { dependencies, devDependencies: compilers(join(examples, '..')) };
    writeFileSync(join(target, folder, 'dependencies.json'), `${JSON.stringify(list, null, 2)}\n`);
  }
}
