import * as tf from '@tensorflow/tfjs-core';
import { registerGradients } from '../gradients/register';
import type { TensorflowBackend } from '../tensorflow/native';
import { registerTensorflowKernels } from '../tensorflow/register';
import { activate } from './activate';
import { EngineError } from './error';
import { importOptional, needNode } from './node';
import { BUILD, diagnose, findTfjsNode, INSTALL, PACKAGES, readBuild, type TfjsNode } from './tfjs-node';
import type { Engine } from './types';

/**
 * TensorFlow through tfjs-node-gpu or tfjs-node, whichever the user installed.
 *
 * @param options `gpu`: on a GPU or not at all.
 */
export async function useTensorflow({ gpu = false }: { gpu?: boolean } = {}): Promise<Engine> {
  needNode('tensorflow');
  const found = findTfjsNode();
  const installed = tf.findBackendFactory('tensorflow') !== null;
  if (!found && !installed) throw new EngineError('tensorflow', 'not installed', `${INSTALL}, then ${BUILD}`);
  // A TensorFlow for the CPU is not worth loading to find that out.
  const build = found && readBuild(found.binding);
  if (gpu && found?.name !== PACKAGES[0] && !build)
    throw new EngineError('tensorflow', 'installed for the CPU', gpuFix(found));
  const previous = tf.engine().backendName;
  try {
    return await start(found, gpu);
  } catch (cause) {
    // Loading tfjs-node makes it the current engine, and registers tfjs's own gradients.
    registerGradients();
    if (previous) await tf.setBackend(previous);
    if (cause instanceof EngineError || !found) throw cause;
    const { reason, fix } = diagnose(found, cause);
    throw new EngineError('tensorflow', reason, `${fix}; or another engine`, { cause });
  }
}

async function start(found: TfjsNode | undefined, gpu: boolean): Promise<Engine> {
  if (!tf.findBackendFactory('tensorflow')) await importOptional(found!.name);
  registerTensorflowKernels();
  try {
    await activate('tensorflow', BUILD);
  } catch (cause) {
    throw /isNullOrUndefined/.test((cause as Error).message) ? (cause as Error).cause : cause;
  }
  const { isUsingGpuDevice, binding } = tf.backend() as TensorflowBackend;
  if (gpu && !isUsingGpuDevice) throw new EngineError('tensorflow', 'installed, but it sees no GPU', gpuFix(found));
  return {
    name: 'tensorflow',
    device: isUsingGpuDevice ? 'cuda' : 'cpu',
    version: binding?.TF_Version ?? tf.version_core,
  };
}

const gpuFix = (found?: TfjsNode): string =>
  found?.name === PACKAGES[0] && !readBuild(found.binding)
    ? `install CUDA 11.2 and cuDNN 8.1, which ${found.name} was made for; or pip install "tensorflow[and-cuda]", then ${BUILD}`
    : `pip install "tensorflow[and-cuda]", then ${BUILD}`;
