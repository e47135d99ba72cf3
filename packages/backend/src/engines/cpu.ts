import { version_cpu } from '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { registerCpuKernels } from '../kernels/cpu';
import { activate } from './activate';
import type { Engine } from './types';

// At import, so that a program that says tf.setBackend('cpu') itself gets the corrected kernels too.
registerCpuKernels();

// The backend greets its first tensor in Node with seven lines of advice to install tfjs-node. The flag that silences
// it (IS_TEST) silences every other warning too, so the backend is told instead that it has been used before.
(tf.findBackend('cpu') as unknown as { firstUse: boolean }).firstUse = false;

/** Plain JavaScript: slow, exact, everywhere. */
export async function useCpu(): Promise<Engine> {
  await activate('cpu');
  return { name: 'cpu', device: 'cpu', version: version_cpu };
}
