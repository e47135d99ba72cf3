import * as tf from '@tensorflow/tfjs-core';
import { allocate, replaceKernel, view } from './heap';

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
