import * as tf from '@tensorflow/tfjs-core';
import { registerTensorflowKernels } from '../tensorflow/register';
import { activate } from './activate';
import { EngineError } from './error';
import { importOptional, locate, needNode } from './node';
import type { Engine } from './types';

const packages = { gpu: '@tensorflow/tfjs-node-gpu', cpu: '@tensorflow/tfjs-node' };
const INSTALL = 'npm install @tensorflow/tfjs-node (or @tensorflow/tfjs-node-gpu), Node 20 or 22';

/** TensorFlow's C library through tfjs-node-gpu or tfjs-node, whichever the user installed. */
export async function useTensorflow({ gpu = false }: { gpu?: boolean } = {}): Promise<Engine> {
  needNode('tensorflow');
  // A second one would register the same backend name again, so the first that is installed is the one.
  const name = [packages.gpu, packages.cpu].find((candidate) => locate(`${candidate}/package.json`));
  if (!tf.findBackendFactory('tensorflow')) {
    if (!name || (gpu && name !== packages.gpu)) throw new EngineError('tensorflow', 'not installed', INSTALL);
    try {
      await importOptional(name);
    } catch (cause) {
      throw new EngineError('tensorflow', explain(name, cause), `${INSTALL}; or another engine`, { cause });
    }
  }
  registerTensorflowKernels();
  const previous = tf.engine().backendName;
  try {
    await activate('tensorflow', INSTALL);
  } catch (cause) {
    if (!/isNullOrUndefined/.test((cause as Error).message)) throw cause;
    throw new EngineError('tensorflow', explain(name ?? packages.cpu, cause), 'use Node 20 or 22', { cause });
  }
  const backend = tf.backend() as unknown as { isUsingGpuDevice?: boolean; binding?: { TF_Version?: string } };
  const device = backend.isUsingGpuDevice ? 'cuda' : 'cpu';
  if (gpu && device === 'cpu') {
    if (previous) await tf.setBackend(previous);
    throw new EngineError('tensorflow', 'installed, but it sees no GPU', 'install CUDA 11.2 and cuDNN 8.1');
  }
  return { name: 'tensorflow', device, version: backend.binding?.TF_Version ?? tf.version_core };
}

/** Which of the known ways to be half-installed this is. */
export function explain(name: string, cause: unknown, node = process.versions.node): string {
  const message = (cause as Error)?.message ?? String(cause);
  const first = message.split('\n').find((line) => line.trim()) ?? message;
  if (/isNullOrUndefined/.test(message))
    return `${name} does not run on Node ${node}: it calls util.isNullOrUndefined, which Node 23 removed`;
  if (/tfjs_binding\.node|native addon|napi-v/i.test(message))
    return `${name} is installed without its native binding (its install script did not run or could not download)`;
  return `${name} is installed but does not load: ${first}`;
}
