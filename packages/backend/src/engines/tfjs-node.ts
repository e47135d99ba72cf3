import { builtin, locate } from './node';

type NodeFs = typeof import('node:fs');
type NodePath = typeof import('node:path');

/** The GPU package first: with both installed, the second would register the same backend name again. */
export const PACKAGES = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;

export const INSTALL = 'npm install --ignore-scripts @tensorflow/tfjs-node@4.22.0';
export const BUILD = 'npx @medalign/backend build-tensorflow (in this repository: npm run engine:tensorflow)';

/** tfjs-node as it lies on the disk. */
export interface TfjsNode {
  name: string;
  folder: string;
  version: string;
  /** Where it looks for its native binding. */
  binding: string;
}

/** What `build-tensorflow` leaves beside a binding. */
export interface Build {
  /** Folder of the Python package. */
  tensorflow: string;
  python: string;
  built: string;
}

/** tfjs-node-gpu or tfjs-node, whichever is installed. */
export function findTfjsNode(): TfjsNode | undefined {
  for (const name of PACKAGES) {
    const manifest = locate(`${name}/package.json`);
    if (!manifest) continue;
    const { readFileSync } = builtin<NodeFs>('node:fs')!;
    const { dirname, join } = builtin<NodePath>('node:path')!;
    const { version, binary = {} } = JSON.parse(readFileSync(manifest, 'utf8'));
    // As @mapbox/node-pre-gyp has it: the newest Node-API that both know.
    const known: number[] = binary.napi_versions ?? [8];
    const api = Math.max(...known.filter((number) => number <= Number(process.versions.napi)));
    const path = (binary.module_path ?? './lib/napi-v{napi_build_version}').replace('{napi_build_version}', `${api}`);
    const folder = dirname(manifest);
    return { name, folder, version, binding: join(folder, path, `${binary.module_name ?? 'tfjs_binding'}.node`) };
  }
  return undefined;
}

export const buildFile = (binding: string): string => `${binding}.json`;

/** What the binding was built against; undefined unless `build-tensorflow` built it. */
export function readBuild(binding: string): Build | undefined {
  const { existsSync, readFileSync } = builtin<NodeFs>('node:fs')!;
  const file = buildFile(binding);
  return existsSync(binding) && existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

/** Which of the known ways to be half-installed this is, and the way out. */
export function diagnose(
  { name, folder, binding }: TfjsNode,
  cause: unknown,
  node = process.versions.node,
): { reason: string; fix: string } {
  const { existsSync } = builtin<NodeFs>('node:fs')!;
  const message = (cause as Error)?.message ?? String(cause);
  if (/isNullOrUndefined/.test(message) || (Number.parseInt(node, 10) >= 23 && callsRemoved(folder)))
    return {
      reason: `${name} does not run on Node ${node}: it calls util.isNullOrUndefined, which Node 23 removed`,
      fix: 'use Node 20 or 22',
    };
  if (!existsSync(binding))
    return { reason: `${name} is installed without its native binding: ${howItFailed(folder)}`, fix: BUILD };
  const library = /([^\s:]+\.(?:so|dylib|dll)[\d.]*): cannot open shared object file/.exec(message)?.[1];
  if (!library) return { reason: `${name} is installed, but does not load: ${firstLine(message)}`, fix: BUILD };
  const reason = `${name} has its native binding, but ${library}, which that needs, is not found`;
  const build = readBuild(binding);
  return build
    ? { reason: `${reason}; it was built against the TensorFlow in ${build.tensorflow}`, fix: BUILD }
    : { reason, fix: `${BUILD}; or name the folder of ${library} with LD_LIBRARY_PATH` };
}

/** tfjs-node's install script empties deps/, downloads TensorFlow into it, then downloads or compiles the binding. */
function howItFailed(folder: string): string {
  const { existsSync, readdirSync } = builtin<NodeFs>('node:fs')!;
  const deps = `${folder}/deps`;
  if (!existsSync(deps))
    return 'its install script did not run (--ignore-scripts, or a package manager that asks for approval first)';
  const libraries = existsSync(`${deps}/lib`) ? readdirSync(`${deps}/lib`) : [];
  return libraries.some((file) => /tensorflow/.test(file))
    ? 'its install script downloaded TensorFlow, but could neither download nor compile the binding'
    : 'its install script ran, but the download of TensorFlow failed';
}

// A later release may have mended it.
function callsRemoved(folder: string): boolean {
  const { existsSync, readFileSync } = builtin<NodeFs>('node:fs')!;
  const file = `${folder}/dist/nodejs_kernel_backend.js`;
  return existsSync(file) && readFileSync(file, 'utf8').includes('isNullOrUndefined');
}

const firstLine = (message: string): string => message.split('\n').find((line) => line.trim()) ?? message;
