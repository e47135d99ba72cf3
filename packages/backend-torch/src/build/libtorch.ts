import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { TorchError } from '../error';

/** A libtorch to compile against: headers and libraries. */
export interface Libtorch {
  /** How it was found. */
  source: 'MEDALIGN_TORCH_DIR' | 'python' | 'system';
  version: string;
  cuda: boolean;
  /** The C++ ABI its libraries were built with. */
  cxx11Abi: boolean;
  /** Folder that holds include/ and lib/. */
  folder: string;
  lib: string;
}

const HOW = `install PyTorch (in a virtual environment: pip install torch), or Debian's libtorch-dev and libopenblas0-pthread, or name the folder of one with MEDALIGN_TORCH_DIR`;
// The second holds the numbers since 2.9.
const VERSION_HEADERS = ['csrc/api/include/torch/version.h', 'headeronly/version.h'];
const SYSTEM = ['/usr', '/usr/local'];
const LIBS = ['lib', `lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`, 'lib64'];

/**
 * Finds libtorch: MEDALIGN_TORCH_DIR, else the torch of this shell's Python, else the system's.
 *
 * @throws {TorchError} if there is none, or MEDALIGN_TORCH_DIR names a folder without one: what was looked at, and what
 *   to install.
 */
export function findLibtorch(environment: NodeJS.ProcessEnv = process.env): Libtorch {
  const named = environment.MEDALIGN_TORCH_DIR;
  if (named) {
    const found = inspect(resolve(named), 'MEDALIGN_TORCH_DIR');
    if (typeof found !== 'string') return found;
    throw new TorchError(
      `MEDALIGN_TORCH_DIR: expected a folder with include/ and lib/ of libtorch, such as …/site-packages/torch, got ${named}: ${found}`,
    );
  }
  const tried: string[] = [];
  for (const python of ['python3', 'python']) {
    const folder = torchOf(python, environment);
    if (!folder) {
      tried.push(`${python}: no torch`);
      continue;
    }
    const found = inspect(folder, 'python');
    if (typeof found !== 'string') return found;
    tried.push(`${folder}: ${found}`);
  }
  for (const folder of SYSTEM) {
    const found = inspect(folder, 'system');
    if (typeof found !== 'string') return found;
    tried.push(`${folder}: ${found}`);
  }
  throw new TorchError(`found no libtorch (${tried.join('; ')})`, HOW);
}

/** What the folder holds, or what it lacks. */
export function inspect(folder: string, source: Libtorch['source']): Libtorch | string {
  const text = VERSION_HEADERS.map((name) => join(folder, 'include/torch', name))
    .filter((file) => existsSync(file))
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
  if (!text) return `no include/torch/${VERSION_HEADERS[0]}`;
  const part = (name: string) => new RegExp(`TORCH_VERSION_${name}\\s+(\\d+)`).exec(text)?.[1];
  const version = [part('MAJOR'), part('MINOR'), part('PATCH')].join('.');
  const lib = LIBS.map((name) => join(folder, name)).find((path) => existsSync(join(path, 'libtorch_cpu.so')));
  if (!lib) return 'no libtorch_cpu.so in lib/';
  const cmake = join(folder, 'share/cmake/Torch/TorchConfig.cmake');
  const abi = existsSync(cmake) && /_GLIBCXX_USE_CXX11_ABI=(\d)/.exec(readFileSync(cmake, 'utf8'))?.[1];
  const cuda = existsSync(join(lib, 'libtorch_cuda.so'));
  return { source, version, cuda, cxx11Abi: abi !== '0', folder, lib };
}

/** What changes when another libtorch is put into the same place. */
export function fingerprint(lib: string): string {
  const { size, mtimeMs } = statSync(join(lib, 'libtorch_cpu.so'));
  return `${size}-${Math.round(mtimeMs)}`;
}

function torchOf(python: string, env: NodeJS.ProcessEnv): string | undefined {
  const code =
    'import importlib.util as u\ns = u.find_spec("torch")\nprint(s.submodule_search_locations[0] if s and s.submodule_search_locations else "")';
  try {
    return execFileSync(python, ['-c', code], { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}
