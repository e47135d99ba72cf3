import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../engines/error';

/** The TensorFlow of a Python environment: headers and libraries to compile against. */
export interface PythonTensorflow {
  python: string;
  /** …/site-packages/tensorflow */
  folder: string;
}

export const LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];
const NEEDED = ['include/tensorflow/c/c_api.h', 'include/tensorflow/c/eager/c_api.h', ...LIBRARIES];
const WAYS = 'name the Python of another environment with --python or MEDALIGN_TENSORFLOW_PYTHON';
// Importing it would take seconds and is not needed.
const WHERE = `import importlib.util as u, sys
s = u.find_spec("tensorflow")
print(sys.executable)
print(s.submodule_search_locations[0] if s and s.submodule_search_locations else "")`;

/**
 * Finds the TensorFlow of `python`, else of the Python that MEDALIGN_TENSORFLOW_PYTHON names, else of python3.
 *
 * @throws {EngineError} if there is no such Python, or it has no TensorFlow with headers and libraries.
 */
export function findTensorflow(python?: string, env: NodeJS.ProcessEnv = process.env): PythonTensorflow {
  const command = python || env.MEDALIGN_TENSORFLOW_PYTHON || 'python3';
  const [executable = command, folder = ''] = ask(command, env).trim().split('\n');
  if (!folder)
    throw new EngineError(
      'tensorflow',
      `${executable} has no TensorFlow`,
      `${executable} -m pip install tensorflow ("tensorflow[and-cuda]" for an NVIDIA GPU), or ${WAYS}`,
    );
  const missing = NEEDED.filter((file) => !existsSync(join(folder, file)));
  if (missing.length)
    throw new EngineError(
      'tensorflow',
      `expected a TensorFlow 2 for Linux with headers and libraries, got ${folder} without ${missing.join(', ')}`,
      `${executable} -m pip install --upgrade tensorflow, or ${WAYS}`,
    );
  return { python: executable, folder };
}

function ask(command: string, env: NodeJS.ProcessEnv): string {
  try {
    return execFileSync(command, ['-c', WHERE], { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (cause) {
    const { code, stderr } = cause as { code?: string; stderr?: string };
    const said = stderr?.trim().split('\n').at(-1);
    const reason = code === 'ENOENT' ? `no Python '${command}'` : `'${command}' does not run: ${said || cause}`;
    throw new EngineError('tensorflow', reason, `install Python 3 and pip install tensorflow, or ${WAYS}`, { cause });
  }
}
