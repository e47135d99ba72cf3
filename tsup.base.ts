import { defineConfig, type Options } from 'tsup';

/** The one way a package is built: ESM with types and source maps, one file per entry. */
export function library(options: Options = {}) {
  return defineConfig({
    entry: ['src/index.ts'],
    format: ['esm'],
    target: 'node20',
    platform: 'neutral',
    dts: true,
    sourcemap: true,
    clean: true,
    treeshake: true,
    removeNodeProtocol: false,
    ...options,
  });
}
