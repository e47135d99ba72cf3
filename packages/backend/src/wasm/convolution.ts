import * as tf from '@tensorflow/tfjs-core';
import {
  addKernel,
  allocate,
  type KernelCall,
  release,
  replaceKernel,
  runKernel,
  view,
  type WasmBackend,
} from './heap';
import { multiplyMatrices } from './mat-mul';
import { swapLastTwo } from './transpose';

/** Up to this many filter values per output channel, the filter gradient is one matrix product over patches. */
const FEW_FILTER_VALUES = 64;

type ConvolutionAttributes = {
  strides: number | [number, number];
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dataFormat: 'NHWC' | 'NCHW';
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
};

const convolutionInfo = (inputShape: number[], filterShape: number[], attrs: unknown) => {
  const { strides, pad, dimRoundingMode } = attrs as ConvolutionAttributes;
  return tf.backend_util.computeConv2DInfo(
    inputShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    strides,
    1,
    pad,
    dimRoundingMode,
  );
};

type Info = ReturnType<typeof convolutionInfo>;

/**
 * The two gradients of Conv2D, as forward convolutions, which XNNPACK runs at about ten times the speed of tfjs-wasm's
 * own Conv2DBackpropInput; Conv2DBackpropFilter does not exist there at all. NHWC only, like Conv2D on wasm.
 */
export function registerConvolutionGradients(): void {
  replaceKernel('Conv2DBackpropInput', (call, original) => {
    const { dy, filter } = call.inputs as { dy: tf.TensorInfo; filter: tf.TensorInfo };
    if (call.attrs.dataFormat === 'NCHW') return original(call);
    return inputGradient(
      call.backend,
      dy,
      filter,
      convolutionInfo(call.attrs.inputShape as number[], filter.shape, call.attrs),
    );
  });
  addKernel('Conv2DBackpropFilter', ({ inputs, attrs, backend }: KernelCall) => {
    const { x, dy } = inputs as { x: tf.TensorInfo; dy: tf.TensorInfo };
    if (attrs.dataFormat === 'NCHW') {
      throw new Error(
        "Conv2DBackpropFilter: the wasm engine supports dataFormat 'NHWC' only, got 'NCHW'; transpose to NHWC.",
      );
    }
    const info = convolutionInfo(x.shape, attrs.filterShape as number[], attrs);
    const taps = info.filterHeight * info.filterWidth;
    return taps === 1 || taps * info.inChannels <= FEW_FILTER_VALUES
      ? filterGradientFromPatches(backend, x, dy, info)
      : filterGradientFromConvolution(backend, x, dy, info);
  });
}

/**
 * dx of a convolution with stride s, one phase (row mod s, column mod s) at a time: the rows h with
 * h + padTop ≡ p (mod s) see only filter rows p, p + s, p + 2s, …, so each phase is a stride-1 convolution of dy with
 * that part of the filter, flipped and with its channels swapped. No zeros are multiplied, whatever the stride.
 */
function inputGradient(backend: WasmBackend, dy: tf.TensorInfo, filter: tf.TensorInfo, info: Info): tf.TensorInfo {
  const { batchSize, inHeight, inWidth, inChannels, strideHeight, strideWidth } = info;
  const plain = strideHeight === 1 && strideWidth === 1;
  const rows = phases(inHeight, strideHeight, info.padInfo.top, info.filterHeight, info.outHeight);
  const columns = phases(inWidth, strideWidth, info.padInfo.left, info.filterWidth, info.outWidth);
  const dx = plain ? undefined : allocate(backend, info.inShape);
  if (dx) view(backend, dx).fill(0);
  for (const row of rows) {
    for (const column of columns) {
      if (row.taps === 0 || column.taps === 0) continue;
      const part = flippedFilter(backend, filter, row, column, [strideHeight, strideWidth]);
      const cropped = crop(backend, dy, row.crop, column.crop);
      const phase = runKernel(
        'Conv2D',
        backend,
        { x: cropped, filter: part },
        { strides: 1, dilations: 1, dataFormat: 'NHWC', pad: [[0, 0], row.pad, column.pad, [0, 0]] },
      );
      if (cropped !== dy) release(backend, cropped);
      release(backend, part);
      if (!dx) return phase;
      const from = view(backend, phase);
      const to = view(backend, dx);
      let source = 0;
      for (let b = 0; b < batchSize; b++) {
        for (let t = 0; t < row.count; t++) {
          let target = ((b * inHeight + row.first + t * strideHeight) * inWidth + column.first) * inChannels;
          for (let u = 0; u < column.count; u++, target += strideWidth * inChannels) {
            for (let c = 0; c < inChannels; c++) to[target + c] = from[source++]!;
          }
        }
      }
      release(backend, phase);
    }
  }
  return dx ?? zeros(backend, info.inShape);
}

interface Phase {
  /** Rows of dx in this phase: first, first + stride, …, `count` of them. */
  first: number;
  count: number;
  /** Filter rows of this phase: tap, tap + stride, …, `taps` of them. */
  tap: number;
  taps: number;
  /** Zeros to put before and after dy, and rows of dy that no row of dx sees. */
  pad: [number, number];
  crop: [number, number];
}

/** With h = first + s·t and k = tap + s·m, dx row t sums dy rows t + q − m, where q = (first + pad − tap) / s. */
function phases(size: number, stride: number, padBefore: number, filterSize: number, outSize: number): Phase[] {
  return Array.from({ length: Math.min(stride, size) }, (_, first) => {
    const tap = (first + padBefore) % stride;
    const taps = Math.max(0, Math.ceil((filterSize - tap) / stride));
    const count = Math.ceil((size - first) / stride);
    const q = (first + padBefore - tap) / stride;
    const before = taps - 1 - q;
    const after = count + q - outSize;
    const unseen = Math.max(0, -before) + Math.max(0, -after) >= outSize;
    return {
      first,
      count,
      tap,
      taps: unseen ? 0 : taps,
      pad: [Math.max(0, before), Math.max(0, after)],
      crop: [Math.max(0, -before), Math.max(0, -after)],
    };
  });
}

/** `[kh, kw, in, out]` → the taps of one phase, flipped, as `[taps, taps, out, in]`. */
function flippedFilter(
  backend: WasmBackend,
  filter: tf.TensorInfo,
  row: Phase,
  column: Phase,
  [strideHeight, strideWidth]: [number, number],
): tf.TensorInfo {
  const [, width, inChannels, outChannels] = filter.shape as [number, number, number, number];
  const out = allocate(backend, [row.taps, column.taps, outChannels, inChannels]);
  const from = view(backend, filter);
  const to = view(backend, out);
  let target = 0;
  for (let m = row.taps - 1; m >= 0; m--) {
    for (let n = column.taps - 1; n >= 0; n--) {
      const tap = (row.tap + m * strideHeight) * width + column.tap + n * strideWidth;
      for (let o = 0; o < outChannels; o++) {
        let source = tap * inChannels * outChannels + o;
        for (let i = 0; i < inChannels; i++, source += outChannels) to[target++] = from[source]!;
      }
    }
  }
  return out;
}

function crop(
  backend: WasmBackend,
  x: tf.TensorInfo,
  [top, bottom]: [number, number],
  [left, right]: [number, number],
): tf.TensorInfo {
  if (top + bottom + left + right === 0) return x;
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const size = [batch, height - top - bottom, width - left - right, channels];
  return runKernel('Slice', backend, { x }, { begin: [0, top, left, 0], size });
}

function zeros(backend: WasmBackend, shape: number[]): tf.TensorInfo {
  const out = allocate(backend, shape);
  view(backend, out).fill(0);
  return out;
}

/**
 * dW as a convolution in which batch and channels change places: the image is x as `[in, H, W, batch]`, the filter is
 * dy as `[outH, outW, batch, out]`, dilated by the forward stride; the result `[in, kh, kw, out]` has one pixel per tap.
 */
function filterGradientFromConvolution(
  backend: WasmBackend,
  x: tf.TensorInfo,
  dy: tf.TensorInfo,
  info: Info,
): tf.TensorInfo {
  const { filterHeight, filterWidth, inChannels, outChannels, strideHeight, strideWidth, padInfo } = info;
  const image = runKernel('Transpose', backend, { x }, { perm: [3, 1, 2, 0] });
  const gradient = runKernel('Transpose', backend, { x: dy }, { perm: [1, 2, 0, 3] });
  const taps = runKernel(
    'Conv2D',
    backend,
    { x: image, filter: gradient },
    {
      strides: 1,
      dilations: [strideHeight, strideWidth],
      dataFormat: 'NHWC',
      pad: [
        [0, 0],
        [padInfo.top, padInfo.bottom],
        [padInfo.left, padInfo.right],
        [0, 0],
      ],
    },
  );
  release(backend, image, gradient);
  // Pixels of x beyond the last window give extra taps at the end; they are not part of the filter.
  const [, tapRows, tapColumns] = taps.shape as [number, number, number];
  const dW = zeros(backend, info.filterShape);
  const from = view(backend, taps);
  const to = view(backend, dW);
  for (let i = 0; i < inChannels; i++) {
    for (let r = 0; r < Math.min(filterHeight, tapRows); r++) {
      for (let c = 0; c < Math.min(filterWidth, tapColumns); c++) {
        const source = ((i * tapRows + r) * tapColumns + c) * outChannels;
        const target = ((r * filterWidth + c) * inChannels + i) * outChannels;
        for (let o = 0; o < outChannels; o++) to[target + o] = from[source + o]!;
      }
    }
  }
  release(backend, taps);
  return dW;
}

/** dWᵀ = dyᵀ · patches, for filters so small (1 × 1, first layers) that writing the patches out costs little. */
function filterGradientFromPatches(backend: WasmBackend, x: tf.TensorInfo, dy: tf.TensorInfo, info: Info) {
  const { filterHeight, filterWidth, inChannels, outChannels, inHeight, inWidth } = info;
  const windows = info.batchSize * info.outHeight * info.outWidth;
  const values = filterHeight * filterWidth * inChannels;
  const patches = zeros(backend, [1, windows, values]);
  const from = view(backend, x);
  const to = view(backend, patches);
  let target = 0;
  for (let b = 0; b < info.batchSize; b++) {
    for (let h = 0; h < info.outHeight; h++) {
      for (let w = 0; w < info.outWidth; w++) {
        for (let r = 0; r < filterHeight; r++) {
          const row = h * info.strideHeight - info.padInfo.top + r;
          for (let c = 0; c < filterWidth; c++, target += inChannels) {
            const column = w * info.strideWidth - info.padInfo.left + c;
            if (row < 0 || row >= inHeight || column < 0 || column >= inWidth) continue;
            const source = ((b * inHeight + row) * inWidth + column) * inChannels;
            for (let i = 0; i < inChannels; i++) to[target + i] = from[source + i]!;
          }
        }
      }
    }
  }
  const gradient = swapLastTwo(backend, dy, 1, windows, outChannels);
  const transposed = multiplyMatrices(backend, gradient, patches);
  const dW = swapLastTwo(backend, transposed, 1, outChannels, values);
  release(backend, patches, gradient, transposed);
  dW.shape = info.filterShape;
  return dW;
}
