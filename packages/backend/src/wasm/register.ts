import { registerCpuFallbacks } from '../kernels/fallback';
import { repairKernels } from '../kernels/repairs';
import { registerAdam } from './adam';
import { registerBroadcasts } from './broadcast';
import { registerChecks } from './checks';
import { registerConvolutionGradients } from './convolution';
import { registerExtremes } from './extremes';
import { registerIdentity } from './identity';
import { registerMatMul } from './mat-mul';
import { registerMoves } from './moves';
import { registerAveragePooling, registerPoolingGradients } from './pooling';
import { registerSegmentSum } from './segment-sum';
import { registerSums } from './sum';

// wasm has no complex64 at all, and Draw wants a page's canvas.
const IMPOSSIBLE = new Set(['Complex', 'ComplexAbs', 'Draw', 'FFT', 'IFFT', 'Imag', 'Real']);

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
  registerCpuFallbacks('wasm', IMPOSSIBLE);
}
