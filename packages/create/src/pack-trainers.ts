import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { trainers } from './trainers';

/** What of an example somebody needs to train: its program, its settings, what it depends on; not its tests. */
const isPart = (path: string) => !/\.test\.ts$|[\\/]testing([\\/]|$)/.test(path);

/** Copies the trainers from the repository's `examples/` into a folder, one folder each. Tests stay where they are. */
export function packTrainers(examples: string, target: string): void {
  for (const { folder } of Object.values(trainers)) {
    mkdirSync(join(target, folder), { recursive: true });
    for (const part of ['src', 'configs'])
      cpSync(join(examples, folder, part), join(target, folder, part), { recursive: true, filter: isPart });
    const { dependencies } = JSON.parse(readFileSync(join(examples, folder, 'package.json'), 'utf8'));
    writeFileSync(join(target, folder, 'dependencies.json'), `${JSON.stringify(dependencies, null, 2)}\n`);
  }
}
