import * as tf from '@tensorflow/tfjs-core';
import { allocate, type KernelCall, release, replaceKernel, runKernel, view, type WasmKernel } from './heap';

/** tfjs-wasm's average pooling keeps one float32 per channel on a stack of 64 kB; a quarter of it is safe. */
const POOLED_CHANNELS = 4096;

/** AvgPool of any number of channels: tfjs-wasm's own destroys the heap from 16,384 on. */
export function registerAveragePooling(): void {
  replaceKernel('AvgPool', (call, original) => {
    const channels = call.inputs.x!.shape[3]!;
    return channels <= POOLED_CHANNELS ? original(call) : poolInParts(call, original);
  });
}

function poolInParts({ inputs, attrs, backend }: KernelCall, original: WasmKernel): tf.TensorInfo {
  const x = inputs.x!;
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const parts: tf.TensorInfo[] = [];
  for (let start = 0; start < channels; start += POOLED_CHANNELS) {
    const size = [batch, height, width, Math.min(POOLED_CHANNELS, channels - start)];
    const part = runKernel('Slice', backend, { x }, { begin: [0, 0, 0, start], size });
    parts.push(original({ inputs: { x: part }, attrs, backend }) as tf.TensorInfo);
    release(backend, part);
  }
  const out = runKernel('Concat', backend, parts as never, { axis: 3 });
  release(backend, ...parts);
  return out;
}

/**
 * MaxPoolGrad: each window gives its dy to its first largest pixel. tfjs-wasm's own searches from 0 upwards, so a
 * window of negative values gives its dy to the window's corner, or to nothing where that lies in the padding.
 */
export function registerPoolingGradients(): void {
  replaceKernel('MaxPoolGrad', ({ inputs, attrs, backend }) => {
    const { dy, input } = inputs as { dy: tf.TensorInfo; input: tf.TensorInfo };
    const { filterSize, strides, pad, dimRoundingMode } = attrs as {
      filterSize: [number, number];
      strides: [number, number];
      pad: number;
      dimRoundingMode?: 'floor';
    };
    const info = tf.backend_util.computePool2DInfo(
      input.shape as [number, number, number, number],
      filterSize,
      strides,
      1,
      pad,
      dimRoundingMode,
    );
    const { inHeight, inWidth, inChannels } = info;
    const dx = allocate(backend, input.shape);
    const x = view(backend, input);
    const gradient = view(backend, dy);
    const out = view(backend, dx).fill(0);
    const best = new Int32Array(inChannels);
    let source = 0;
    for (let b = 0; b < info.batchSize; b++) {
      for (let h = 0; h < info.outHeight; h++) {
        const top = h * info.strideHeight - info.padInfo.top;
        for (let w = 0; w < info.outWidth; w++) {
          const left = w * info.strideWidth - info.padInfo.left;
          best.fill(-1);
          for (let r = Math.max(0, top); r < Math.min(inHeight, top + info.filterHeight); r++) {
            for (let c = Math.max(0, left); c < Math.min(inWidth, left + info.filterWidth); c++) {
              const pixel = ((b * inHeight + r) * inWidth + c) * inChannels;
              for (let i = 0; i < inChannels; i++) {
                if (best[i]! < 0 || x[pixel + i]! > x[best[i]!]!) best[i] = pixel + i;
              }
            }
          }
          for (let i = 0; i < inChannels; i++, source++) {
            if (best[i]! >= 0) out[best[i]!] = out[best[i]!]! + gradient[source]!;
          }
        }
      }
    }
    return dx;
  });
}
