import * as tf from '@tensorflow/tfjs-core';
import { execute, replaceKernel, type TensorflowCall } from './native';
import { attributesOf, isCounted, type Pad, type Shape4, type Windows, zerosOf } from './padding';

interface Attributes {
  filterSize: number | [number, number];
  strides: number | [number, number];
  pad: Pad;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

/** Pooling padded by a number of pixels, which tfjs-node refuses, and the gradients. */
export function registerPooling(): void {
  replaceKernel('MaxPool', (call, original) => {
    const { x } = call.inputs as { x: tf.Tensor4D };
    const windows = windowsOf(call, x);
    return windows ? execute(call.backend, 'MaxPool', [x], withSize(windows)) : original(call);
  });
  replaceKernel('MaxPoolGrad', (call, original) => {
    const { dy, input, output } = call.inputs as Record<'dy' | 'input' | 'output', tf.Tensor4D>;
    const windows = windowsOf(call, input);
    return windows ? execute(call.backend, 'MaxPoolGrad', [input, output, dy], withSize(windows)) : original(call);
  });
  // TensorFlow's average pooling has no such padding: it runs on a padded image, and its means are made larger.
  replaceKernel('AvgPool', (call, original) => {
    const { x } = call.inputs as { x: tf.Tensor4D };
    const windows = windowsOf(call, x);
    if (!windows) return original(call);
    const { filterSize, strides } = call.attrs as unknown as Attributes;
    return tf.tidy(() => {
      const padded = tf.pad(x, zerosOf(windows));
      return tf.mul(tf.avgPool(padded, filterSize, strides, 'valid'), partInside(windows));
    });
  });
  replaceKernel('AvgPoolGrad', (call, original) => {
    const { dy, input } = call.inputs as Record<'dy' | 'input', tf.Tensor4D>;
    const windows = windowsOf(call, input);
    if (!windows) return original(call);
    const zeros = zerosOf(windows);
    const shape = input.shape.map((size, axis) => zeros[axis]![0] + size + zeros[axis]![1]);
    return tf.tidy(() => {
      const scaled = tf.mul(dy, partInside(windows));
      const inputs = { dy: scaled, input: { dataId: input.dataId, dtype: input.dtype, shape } };
      const padded = original({ ...call, inputs, attrs: { ...call.attrs, pad: 'valid', dimRoundingMode: undefined } });
      const start = zeros.map(([before]) => before) as Shape4;
      return tf.slice(padded as tf.Tensor4D, start, input.shape);
    });
  });
}

/** Undefined where tfjs-node needs no help, or can have none. */
function windowsOf({ attrs }: TensorflowCall, x: tf.TensorInfo): Windows | undefined {
  const { filterSize, strides, pad, dimRoundingMode } = attrs as unknown as Attributes;
  if (!isCounted(pad) || x.dtype !== 'float32') return undefined;
  return tf.backend_util.computePool2DInfo(x.shape as Shape4, filterSize, strides, 1, pad as number, dimRoundingMode);
}

const withSize = (windows: Windows) => ({
  ...attributesOf(windows),
  ksize: [1, windows.filterHeight, windows.filterWidth, 1],
});

/** `[1, h, w, 1]`: pixels of a window over its pixels inside the image. */
function partInside(windows: Windows): tf.Tensor4D {
  const { padInfo, filterHeight, filterWidth } = windows;
  const inside = (count: number, stride: number, size: number, before: number, length: number) =>
    Array.from({ length: count }, (_, i) => {
      const start = i * stride - before;
      return Math.max(1, Math.min(length, start + size) - Math.max(0, start));
    });
  const rows = inside(windows.outHeight, windows.strideHeight, filterHeight, padInfo.top, windows.inHeight);
  const columns = inside(windows.outWidth, windows.strideWidth, filterWidth, padInfo.left, windows.inWidth);
  const values = rows.flatMap((r) => columns.map((c) => (filterHeight * filterWidth) / (r * c)));
  return tf.tensor4d(values, [1, rows.length, columns.length, 1]);
}
