import { registerCpuFallbacks } from '../kernels/fallback';
import { registerConvolutions } from './convolution';
import { registerPooling } from './pooling';
import { registerRepairs } from './repairs';

let registered = false;

/** Adds and replaces kernels of the tensorflow engine, once. Call it after tfjs-node is loaded. */
export function registerTensorflowKernels(): void {
  if (registered) return;
  registered = true;
  registerConvolutions();
  registerPooling();
  registerRepairs();
  registerCpuFallbacks('tensorflow', new Set(['Draw']));
}
