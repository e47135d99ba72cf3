import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { addonPath, type Build, cacheFolder, currentBuild, hashSources, rebuild } from './build/cache';
import { fingerprint } from './build/libtorch';
import type { Native } from './native';

/**
 * Loads the addon that was built last.
 *
 * @throws {TorchError} if nothing was built, or it does not fit any more: another version of this package, libtorch gone
 *   or replaced.
 */
export function loadNative(cache = cacheFolder()): { native: Native; build: Build } {
  const { folder, build } = currentBuild(cache);
  if (build.sources !== hashSources()) throw rebuild('it was built by another version of this package');
  if (!existsSync(join(build.lib, 'libtorch_cpu.so')))
    throw rebuild(`libtorch ${build.torch} is gone from ${build.lib}`);
  if (build.fingerprint !== fingerprint(build.lib))
    throw rebuild(`libtorch in ${build.lib} is another one than ${build.torch}, which it was built for`);
  try {
    return { native: createRequire(import.meta.url)(addonPath(folder)) as Native, build };
  } catch (cause) {
    throw rebuild(`the addon does not load (${(cause as Error).message})`, { cause });
  }
}
