import { repairKernels } from '../kernels/repairs';
import { registerAdam } from './adam';
import { registerBroadcasts } from './broadcast';
import { registerChecks } from './checks';
import { registerConvolutionGradients } from './convolution';
import { registerExtremes } from './extremes';
import { registerCpuFallbacks } from './fallback';
import { registerIdentity } from './identity';
import { registerMatMul } from './mat-mul';
import { registerMoves } from './moves';
import { registerAveragePooling, registerPoolingGradients } from './pooling';
import { registerSegmentSum } from './segment-sum';
import { registerSums } from './sum';

let registered = false;

/** Adds and replaces kernels of the wasm engine, once. Call it after '@tensorflow/tfjs-backend-wasm' is loaded. */
export function registerWasmKernels(): void {
  if (registered) return;
  registered = true;
  registerConvolutionGradients();
  registerMatMul();
  registerAveragePooling();
  registerPoolingGradients();
  registerSegmentSum();
  registerIdentity();
  registerMoves();
  registerExtremes();
  registerBroadcasts();
  registerSums();
  registerAdam();
  registerChecks();
  repairKernels('wasm');
  registerCpuFallbacks();
}
