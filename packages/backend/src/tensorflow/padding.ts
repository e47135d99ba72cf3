import type * as tf from '@tensorflow/tfjs-core';

/** A convolution or pooling of `[b, h, w, c]`: sizes, strides and padding. */
export type Windows = tf.backend_util.Conv2DInfo;

export type Shape4 = [number, number, number, number];

/** As tfjs's kernels are given it: 'same', 'valid', a number of zeros on every side, or those of every axis. */
export type Pad = number | 'same' | 'valid' | [number, number][];

/** True for the padding that tfjs-node refuses, or refuses in gradients. */
export const isCounted = (pad: Pad): boolean =>
  Array.isArray(pad) ? pad.flat().some((zeros) => zeros !== 0) : typeof pad === 'number' && pad !== 0;

/** Zeros before and after every axis of `[b, h, w, c]`; after it, as many as the last window reaches beyond the image. */
export function zerosOf(windows: Windows): [number, number][] {
  const { padInfo, inHeight, inWidth, outHeight, outWidth, strideHeight, strideWidth } = windows;
  const reach = (count: number, stride: number, size: number) => (count - 1) * stride + size;
  const bottom = reach(outHeight, strideHeight, windows.effectiveFilterHeight) - padInfo.top - inHeight;
  const right = reach(outWidth, strideWidth, windows.effectiveFilterWidth) - padInfo.left - inWidth;
  return [
    [0, 0],
    [padInfo.top, Math.max(0, bottom)],
    [padInfo.left, Math.max(0, right)],
    [0, 0],
  ];
}

/** The same for one of TensorFlow's own operations. */
export const attributesOf = (windows: Windows) => ({
  strides: [1, windows.strideHeight, windows.strideWidth, 1],
  padding: 'EXPLICIT',
  explicit_paddings: zerosOf(windows).flat(),
  data_format: 'NHWC',
});
