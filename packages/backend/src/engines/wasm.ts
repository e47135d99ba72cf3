import * as tf from '@tensorflow/tfjs-core';
import { reportExhaustion, type WasmModule } from '../wasm/memory';
import { registerWasmKernels } from '../wasm/register';
import { activate } from './activate';
import { inNode, locate } from './node';
import type { Engine, UseBackendOptions } from './types';

/** WebAssembly (XNNPACK, SIMD), with the training kernels that tfjs-backend-wasm lacks. One thread in Node. */
export async function useWasm({ wasmPaths }: UseBackendOptions): Promise<Engine> {
  const { setWasmPaths, version_wasm } = await import('@tensorflow/tfjs-backend-wasm');
  const paths = wasmPaths ?? folderInNode();
  if (paths) setWasmPaths(paths);
  registerWasmKernels();
  const restore = keepProcessListeners();
  await activate(
    'wasm',
    inNode()
      ? 'npm install @tensorflow/tfjs-backend-wasm'
      : "serve the .wasm files of @tensorflow/tfjs-backend-wasm/dist and name that folder: useBackend('wasm', { wasmPaths: '/wasm/' })",
  ).finally(restore);
  reportExhaustion((tf.backend() as unknown as { wasm: WasmModule }).wasm);
  return { name: 'wasm', device: 'cpu', version: version_wasm };
}

// A program bundled into one file has no .wasm files beside it; the installed package has.
function folderInNode(): string | undefined {
  const main = inNode() ? locate('@tensorflow/tfjs-backend-wasm') : undefined;
  return main?.replace(/[^/\\]*$/, '');
}

// The compiled module catches every uncaught error of the program only to throw it again, so that Node prints the
// module's one line of 100 kB before the error's message.
function keepProcessListeners(): () => void {
  if (!inNode()) return () => {};
  const events = ['uncaughtException', 'unhandledRejection'];
  const before = events.map((event) => process.listeners(event as 'uncaughtException'));
  return () =>
    events.forEach((event, i) => {
      for (const listener of process.listeners(event as 'uncaughtException')) {
        if (!before[i]!.includes(listener)) process.removeListener(event, listener);
      }
    });
}
