import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { devNull } from 'node:os';
import { dirname, join } from 'node:path';
import { root } from './stage';

type Run = (command: string, args: string[], cwd: string) => Promise<string>;

/**
 * A copy of the checkout, with what was built, in which versions may be written and tags be set: the checkout itself is
 * never touched. The copy has a history of one commit.
 */
export async function scratchCopy(run: Run, folder: string): Promise<string> {
  const listed = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], root);
  const files = listed.split('\0').filter((file) => file && existsSync(join(root, file)));
  for (const file of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(root, file), join(folder, file));
  }
  for (const { directory } of publicPackages(root)) {
    const built = join(root, directory, 'dist');
    if (!existsSync(built)) throw new Error(`${directory}/dist: expected a build, found none. Run npm run build.`);
    cpSync(built, join(folder, directory, 'dist'), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  await run('git', ['init', '--quiet'], folder);
  // in the name of nobody, and without the user's signatures and hooks
  for (const setting of [
    'user.name rehearsal',
    'user.email rehearsal@localhost',
    'commit.gpgsign false',
    'tag.gpgsign false',
    `core.hooksPath ${devNull}`,
  ])
    await run('git', ['config', ...setting.split(' ')], folder);
  await run('git', ['add', '--all'], folder);
  await run('git', ['commit', '--quiet', '--message', 'Rehearsal'], folder);
  return folder;
}

export interface Manifest {
  name: string;
  version: string;
  private?: boolean;
  dependencies?: Record<string, string>;
  exports?: Record<string, unknown>;
  bin?: Record<string, string>;
  publishConfig?: Record<string, string>;
}

export interface PublicPackage extends Manifest {
  directory: string;
}

export const readManifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/** The packages that a release publishes, with their versions in this copy. */
export function publicPackages(checkout: string): PublicPackage[] {
  return readdirSync(join(checkout, 'packages'))
    .map((name) => `packages/${name}`)
    .filter((directory) => existsSync(join(checkout, directory, 'package.json')))
    .map((directory) => ({ ...readManifest(join(checkout, directory)), directory }))
    .filter((manifest) => !manifest.private);
}
