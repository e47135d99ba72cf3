import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TorchError } from '../error';

/** What lies beside a compiled addon. */
export interface Build {
  torch: string;
  cuda: boolean;
  /** libtorch's libraries, and what told them from others at the time. */
  lib: string;
  fingerprint: string;
  /** Hash of the C++ sources. */
  sources: string;
  compiler: string;
  built: string;
}

/** The C++ sources of this package. */
export const nativeFolder = (): string => fileURLToPath(new URL('../native', packageSource()));

// Bundled, this file lies in dist/; as a source, in src/build/.
function packageSource(): string {
  return import.meta.url.includes('/src/build/') ? new URL('../cache.ts', import.meta.url).href : import.meta.url;
}

export const cacheFolder = (env: NodeJS.ProcessEnv = process.env): string =>
  join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'medalign', 'backend-torch');

export function hashSources(folder = nativeFolder()): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(folder).sort()) hash.update(`${name}\0`).update(readFileSync(join(folder, name)));
  return hash.digest('hex').slice(0, 12);
}

const ADDON = 'medalign_torch.node';
export const addonPath = (folder: string): string => join(folder, ADDON);

/** Makes a finished build the one that is loaded. */
export function publish(cache: string, name: string, build: Build): void {
  mkdirSync(cache, { recursive: true });
  replace(join(cache, name, 'build.json'), `${JSON.stringify(build, null, 2)}\n`);
  replace(join(cache, 'current.json'), `${JSON.stringify({ name })}\n`);
}

function replace(path: string, text: string): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, text);
  renameSync(temporary, path);
}

const BUILD = 'npx @medalign/backend-torch build (in this repository: npm run engine)';

/**
 * The build that is current.
 *
 * @throws {TorchError} if nothing was built.
 */
export function currentBuild(cache = cacheFolder()): { folder: string; build: Build } {
  const pointer = join(cache, 'current.json');
  if (!existsSync(pointer)) throw new TorchError('not built yet', BUILD);
  const folder = join(cache, JSON.parse(readFileSync(pointer, 'utf8')).name);
  const file = join(folder, 'build.json');
  if (!existsSync(file) || !existsSync(addonPath(folder)))
    throw new TorchError(`the build in ${folder} is gone`, BUILD);
  return { folder, build: JSON.parse(readFileSync(file, 'utf8')) };
}

export const rebuild = (reason: string, options?: ErrorOptions) => new TorchError(reason, BUILD, options);
