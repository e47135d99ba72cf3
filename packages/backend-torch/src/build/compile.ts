import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { TorchError } from '../error';
import { addonPath, cacheFolder, hashSources, nativeFolder, publish } from './cache';
import { fingerprint, type Libtorch } from './libtorch';

const { include_dir } = createRequire(import.meta.url)('node-api-headers') as { include_dir: string };

export interface CompileOptions {
  /** Where builds are kept; `~/.cache/medalign/backend-torch`, or under XDG_CACHE_HOME. */
  cache?: string;
  /** Compiles even if this build is there already. */
  force?: boolean;
  log?: (line: string) => void;
}

/**
 * Compiles the addon against a libtorch, unless the cache has that build, and makes it the one that is loaded.
 *
 * A build that is interrupted leaves nothing that would be loaded.
 *
 * @returns path of the addon.
 * @throws {TorchError} if there is no C++ compiler or it fails, with what it said.
 */
export async function compile(
  torch: Libtorch,
  { cache = cacheFolder(), force = false, log = () => {} }: CompileOptions = {},
): Promise<string> {
  if (process.platform !== 'linux')
    throw new TorchError(`builds on Linux only so far, this is ${process.platform}`, "the 'wasm' engine");
  const sources = hashSources();
  const state = fingerprint(torch.lib);
  const name = `torch-${torch.version}-${torch.cuda ? 'cuda' : 'cpu'}-abi${torch.cxx11Abi ? 1 : 0}-${state}-${sources}`;
  const folder = join(cache, name);
  const addon = addonPath(folder);
  const compiler = process.env.CXX || 'g++';
  if (existsSync(addon) && !force) {
    log(`already built: ${addon}`);
  } else {
    mkdirSync(folder, { recursive: true });
    const temporary = `${addon}.${process.pid}`;
    const started = performance.now();
    try {
      await run(compiler, compileArguments(torch, `${temporary}.o`));
      await run(compiler, linkArguments(torch, `${temporary}.o`, temporary));
      renameSync(temporary, addon);
    } finally {
      for (const path of [`${temporary}.o`, temporary]) rmSync(path, { force: true });
    }
    log(`compiled in ${((performance.now() - started) / 1000).toFixed(0)} s: ${addon}`);
  }
  publish(cache, name, {
    torch: torch.version,
    cuda: torch.cuda,
    lib: torch.lib,
    fingerprint: state,
    sources,
    compiler,
    built: new Date().toISOString(),
  });
  return addon;
}

function compileArguments({ folder, version, cuda, cxx11Abi }: Libtorch, output: string): string[] {
  return [
    `-std=c++${version.startsWith('1.') ? 17 : 20}`,
    '-O3',
    '-fno-math-errno', // a square root in a loop is then an instruction
    '-fopenmp', // libtorch's parallel loops are templates, and serial without it
    '-fPIC',
    '-fvisibility=hidden',
    `-D_GLIBCXX_USE_CXX11_ABI=${cxx11Abi ? 1 : 0}`,
    '-DNAPI_VERSION=8',
    ...(cuda ? ['-DMEDALIGN_CUDA'] : []),
    // -isystem: what libtorch's own headers are warned of is not ours to mend
    ...[...includes(folder), ...(cuda ? cudaIncludes(folder) : [])].flatMap((path) => ['-isystem', path]),
    '-Wall',
    '-Wextra',
    '-c',
    join(nativeFolder(), 'addon.cpp'),
    '-o',
    output,
  ];
}

/** Without -fopenmp: the threads are those of libtorch's own OpenMP library, not of a second one beside it. */
function linkArguments({ lib, cuda }: Libtorch, object: string, output: string): string[] {
  const libraries = ['torch', 'torch_cpu', 'c10', ...(cuda ? ['torch_cuda', 'c10_cuda'] : [])];
  return [
    '-shared',
    object,
    '-o',
    output,
    `-L${lib}`,
    `-Wl,-rpath,${lib}`,
    '-Wl,--no-as-needed',
    ...libraries.map((library) => `-l${library}`),
  ];
}

/** A system's own folder is known to the compiler, and named once more it would hide its C headers. */
function includes(folder: string): string[] {
  const root = join(folder, 'include');
  const own = ['/usr/include', '/usr/local/include'].includes(root) ? [] : [root];
  return [include_dir, ...own, join(root, 'torch/csrc/api/include')];
}

/** Where CUDA's headers are: CUDA_HOME, the packages that pip installs beside PyTorch, the toolkit's usual folder. */
function cudaIncludes(folder: string): string[] {
  const packages = join(folder, '..', 'nvidia');
  const homes = [
    ...(process.env.CUDA_HOME ? [process.env.CUDA_HOME] : []),
    ...(existsSync(packages) ? readdirSync(packages).map((name) => join(packages, name)) : []),
    '/usr/local/cuda',
  ];
  const found = homes.map((home) => join(home, 'include')).filter((path) => existsSync(path));
  if (found.some((path) => existsSync(join(path, 'cuda_runtime_api.h')))) return found;
  throw new TorchError(
    `this PyTorch has CUDA, and CUDA's headers are missing: no cuda_runtime_api.h in ${homes.join('/include, ')}/include`,
    'install the CUDA toolkit of the version that torch.version.cuda names, and give its folder as CUDA_HOME',
  );
}

async function run(command: string, args: string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'ENOENT'
          ? new TorchError(`no C++ compiler '${command}'`, 'apt-get install g++, or name one with CXX')
          : error,
      ),
    );
    child.on('close', resolve);
  });
  if (code !== 0) throw new TorchError(`${command} ended with ${code}:\n${said.slice(0, 4000)}`);
}
