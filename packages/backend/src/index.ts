import './gradients';
import '@tensorflow/tfjs-backend-cpu';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { registerWasmKernels } from './wasm/register';

const require = createRequire(import.meta.url);

export async function useBackend(name: string) {
  setWasmPaths(`${dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}/`);
  registerWasmKernels();
  await tf.setBackend(name);
  await tf.ready();
  return { name, device: 'cpu', version: tf.version_core };
}
