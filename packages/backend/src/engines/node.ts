import { EngineError } from './error';

type NodeModule = typeof import('node:module');
type NodeUrl = typeof import('node:url');

/** A module of Node's own, which no browser's bundler sees. */
export const builtin = <T>(id: string): T | undefined =>
  (globalThis.process as { getBuiltinModule?: (id: string) => T } | undefined)?.getBuiltinModule?.(id);

/** True in Node; the code below is written so that browsers' bundlers see no Node import at all. */
export const inNode = (): boolean => typeof globalThis.process?.versions?.node === 'string';

/**
 * Where a package lies: seen from here, else from the program's folder (a strict node_modules hides from us what the
 * user installed next to us).
 */
export function locate(request: string, places?: string[]): string | undefined {
  const createRequire = builtin<NodeModule>('node:module')?.createRequire;
  if (!createRequire) return undefined;
  for (const from of places ?? [import.meta.url, `${process.cwd()}/package.json`]) {
    try {
      return createRequire(from).resolve(request);
    } catch {
      // Not found from this place.
    }
  }
  return undefined;
}

/** Imports a package that is no dependency of ours; undefined when it is not installed, an error when it fails. */
export async function importOptional<T>(name: string, places?: string[]): Promise<T | undefined> {
  if (!inNode()) {
    // Without a bundler's or import map's help a browser cannot resolve a bare name: that is "not installed".
    return (import(/* @vite-ignore */ /* webpackIgnore: true */ name) as Promise<T>).catch(() => undefined);
  }
  const main = locate(name, places) ?? (places ? undefined : locateEsm(name));
  if (!main) return undefined;
  const url = main.startsWith('file:') ? main : builtin<NodeUrl>('node:url')!.pathToFileURL(main).href;
  return (await import(/* @vite-ignore */ url)) as T;
}

// A package whose exports have only an "import" condition is invisible to require.resolve.
function locateEsm(name: string): string | undefined {
  try {
    return import.meta.resolve?.(name);
  } catch {
    return undefined;
  }
}

/** Refuses engines that exist only in Node. */
export function needNode(engine: string): void {
  if (!inNode())
    throw new EngineError(engine, 'runs in Node only', "in a browser use 'webgpu', 'webgl', 'wasm' or 'cpu'");
}
