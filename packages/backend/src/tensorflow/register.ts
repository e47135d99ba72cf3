import { registerCpuFallbacks } from '../kernels/fallback';
import { registerPadding } from './padding';
import { registerRepairs } from './repairs';

let registered = false;

/** Adds and replaces kernels of the tensorflow engine, once. Call it after tfjs-node is loaded. */
export function registerTensorflowKernels(): void {
  if (registered) return;
  registered = true;
  registerPadding();
  registerRepairs();
  registerCpuFallbacks('tensorflow', new Set(['Draw']));
}
