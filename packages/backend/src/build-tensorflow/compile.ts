import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { EngineError } from '../engines/error';
import { type Build, buildFile, type TfjsNode } from '../engines/tfjs-node';
import { LIBRARIES, type PythonTensorflow } from './python';

const { include_dir } = createRequire(import.meta.url)('node-api-headers') as { include_dir: string };
const SOURCES = ['binding/tfjs_backend.cc', 'binding/tfjs_binding.cc'];

/**
 * Compiles tfjs-node's own binding against a TensorFlow and puts it where tfjs-node looks for one. A build that fails or
 * is interrupted leaves what was there.
 *
 * @throws {EngineError} if a source is missing, or there is no C++ compiler, or it fails, with what it said.
 */
export function compile(tfjs: TfjsNode, tensorflow: PythonTensorflow): void {
  if (process.platform !== 'linux')
    throw new EngineError(
      'tensorflow',
      `builds on Linux only so far, this is ${process.platform}`,
      "the 'wasm' engine",
    );
  const missing = SOURCES.filter((file) => !existsSync(join(tfjs.folder, file)));
  if (missing.length)
    throw new EngineError(
      'tensorflow',
      `expected the C++ sources of ${tfjs.name} in ${tfjs.folder}, which has no ${missing.join(', ')}`,
      `npm install --ignore-scripts ${tfjs.name}@4.22.0`,
    );
  mkdirSync(dirname(tfjs.binding), { recursive: true });
  const temporary = `${tfjs.binding}.${process.pid}`;
  const build: Build = {
    tensorflow: tensorflow.folder,
    python: tensorflow.python,
    built: new Date().toISOString(),
  };
  try {
    run(process.env.CXX || 'g++', compilerArguments(tfjs.folder, tensorflow.folder, temporary));
    writeFileSync(`${temporary}.json`, `${JSON.stringify(build, null, 2)}\n`);
    renameSync(temporary, tfjs.binding);
    renameSync(`${temporary}.json`, buildFile(tfjs.binding));
  } finally {
    rmSync(temporary, { force: true });
    rmSync(`${temporary}.json`, { force: true });
  }
}

const compilerArguments = (tfjs: string, tensorflow: string, output: string): string[] => [
  '-std=c++17',
  '-O2',
  '-fPIC',
  '-shared',
  '-fvisibility=hidden',
  '-DNAPI_VERSION=8',
  // -isystem: what those headers are warned of is not ours to mend
  ...[include_dir, join(tensorflow, 'include')].flatMap((path) => ['-isystem', path]),
  `-I${tfjs}`,
  ...SOURCES.map((file) => join(tfjs, file)),
  '-o',
  output,
  `-Wl,-rpath,${tensorflow}`,
  ...LIBRARIES.map((library) => join(tensorflow, library)),
];

function run(compiler: string, args: string[]): void {
  const { error, status, signal, stderr } = spawnSync(compiler, args, { encoding: 'utf8' });
  if ((error as NodeJS.ErrnoException)?.code === 'ENOENT')
    throw new EngineError(
      'tensorflow',
      `no C++ compiler '${compiler}'`,
      'apt-get install g++, or name one with the environment variable CXX',
    );
  if (error) throw error;
  if (status !== 0)
    throw new EngineError(
      'tensorflow',
      `${compiler} ended with ${status ?? signal}:\n${stderr.trim().slice(0, 4000)}`,
      'a compiler of C++17 and a recent TensorFlow (2.21 is known to work)',
    );
}
