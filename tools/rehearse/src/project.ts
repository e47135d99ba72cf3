import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Stage } from './stage';

/** A fresh project outside the repository, with these packages installed from the registry. */
export async function freshProject(stage: Stage, name: string, packages: string[]): Promise<string> {
  const folder = join(stage.folder, 'projects', name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, private: true, type: 'module' }));
  await install(stage, folder, packages);
  return folder;
}

/** `npm install`; the registry has just changed, so npm asks it again. */
export async function install(stage: Stage, folder: string, packages: string[] = []): Promise<void> {
  await stage.run('npm', ['install', '--prefer-online', '--no-audit', '--no-fund', ...packages], folder);
}

export interface Installed {
  name: string;
  version: string;
  /** Where in the project. */
  path: string;
}

/** Every package of a scope in a project's lock file, each copy of it. */
export function installed(folder: string, scope: string): Installed[] {
  const lock: { packages: Record<string, { version: string }> } = JSON.parse(
    readFileSync(join(folder, 'package-lock.json'), 'utf8'),
  );
  return Object.entries(lock.packages)
    .map(([path, { version }]) => ({ name: path.split('node_modules/').at(-1)!, version, path }))
    .filter(({ name }) => name.startsWith(`${scope}/`));
}

/** Fails if a package is there twice: two copies of a library share no classes and no state. */
export function checkOneCopy(folder: string, scope = '@medalign'): void {
  const paths = new Map<string, string[]>();
  for (const { name, version, path } of installed(folder, scope))
    paths.set(name, [...(paths.get(name) ?? []), `${path} (${version})`]);
  for (const [name, copies] of paths)
    if (copies.length > 1) throw new Error(`${name}: expected one copy, found ${copies.length}:\n${copies.join('\n')}`);
}

/** Names of a scope's packages that a project got. */
export const installedNames = (folder: string, scope: string) =>
  readdirSync(join(folder, 'node_modules', scope)).sort();
