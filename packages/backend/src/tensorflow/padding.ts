import * as tf from '@tensorflow/tfjs-core';
import { execute, replaceKernel, type TensorflowBackend, type TensorflowCall } from './native';

type Shape4 = [number, number, number, number];
type Info = tf.backend_util.Conv2DInfo;

/**
 * tfjs-node knows the padding 'same', 'valid' and, in convolutions without gradient, zeros for each side; a number of
 * zeros, as PyTorch counts them, is an error. TensorFlow itself takes zeros for each side nearly everywhere.
 */
export function registerPadding(): void {
  for (const name of ['Conv2D', 'FusedConv2D', 'DepthwiseConv2dNative', 'FusedDepthwiseConv2D']) {
    replaceKernel(name, (call, original) => {
      const { x, filter } = call.inputs as Record<string, tf.TensorInfo>;
      const info = convolution(call, x!.shape, filter!.shape, name.includes('Depthwise'));
      if (!info) return original(call);
      const [, , top, bottom, left, right] = paddings(info);
      const pad = [[0, 0], [top, bottom], [left, right], [0, 0]]; // biome-ignore format: one row
      return original({ ...call, attrs: { ...call.attrs, pad, dimRoundingMode: undefined } });
    });
  }
  for (const depthwise of [false, true]) {
    const name = depthwise ? 'DepthwiseConv2dNative' : 'Conv2D';
    replaceKernel(`${name}BackpropFilter`, (call, original) => {
      const { x, dy } = call.inputs as Record<string, tf.TensorInfo>;
      const shape = call.attrs.filterShape as number[];
      const info = convolution(call, x!.shape, shape, depthwise);
      return info ? gradient(call, `${name}BackpropFilter`, info, shape, (sizes) => [x!, sizes, dy!]) : original(call);
    });
    replaceKernel(`${name}BackpropInput`, (call, original) => {
      const { dy, filter } = call.inputs as Record<string, tf.TensorInfo>;
      const shape = call.attrs.inputShape as number[];
      const info = convolution(call, shape, filter!.shape, depthwise);
      return info
        ? gradient(call, `${name}BackpropInput`, info, shape, (sizes) => [sizes, filter!, dy!])
        : original(call);
    });
  }
  replaceKernel('MaxPool', (call, original) => {
    const { x } = call.inputs as Record<string, tf.TensorInfo>;
    const info = pooling(call, x!);
    return info ? execute(call.backend, 'MaxPool', [x!], window(info)) : original(call);
  });
  replaceKernel('MaxPoolGrad', (call, original) => {
    const { dy, input, output } = call.inputs as Record<string, tf.TensorInfo>;
    const info = pooling(call, input!);
    return info ? execute(call.backend, 'MaxPoolGrad', [input!, output!, dy!], window(info)) : original(call);
  });
  // TensorFlow's average pooling alone has no such padding.
  replaceKernel('AvgPool', (call, original) => {
    const { x } = call.inputs as Record<string, tf.Tensor4D>;
    const info = pooling(call, x!);
    if (!info) return original(call);
    const { filterSize, strides } = call.attrs as { filterSize: number; strides: number };
    return tf.tidy(() => {
      const padded = tf.pad(x!, pairs(info));
      return tf.mul(tf.avgPool(padded, filterSize, strides, 'valid'), shares(info));
    });
  });
  replaceKernel('AvgPoolGrad', (call, original) => {
    const { dy, input } = call.inputs as Record<string, tf.Tensor4D>;
    const info = pooling(call, input!);
    if (!info) return original(call);
    const [batch, height, width, channels] = input!.shape;
    const [, [top, bottom], [left, right]] = pairs(info) as [number, number][] as [never, number[], number[]];
    const shape = [batch, height + top! + bottom!, width + left! + right!, channels];
    return tf.tidy(() => {
      const padded = original({
        ...call,
        inputs: { dy: tf.mul(dy!, shares(info)), input: { ...input!, shape } },
        attrs: { ...call.attrs, pad: 0, dimRoundingMode: undefined },
      });
      return tf.slice(padded as tf.Tensor4D, [0, top!, left!, 0], input!.shape);
    });
  });
}

/** Undefined where tfjs-node needs no help. */
function convolution({ attrs }: TensorflowCall, x: number[], filter: number[], depthwise: boolean): Info | undefined {
  const { pad, strides, dilations = 1, dimRoundingMode, dataFormat = 'NHWC' } = attrs as Record<string, never>;
  if (!needsHelp(pad) || dataFormat !== 'NHWC') return undefined;
  return tf.backend_util.computeConv2DInfo(
    x as Shape4,
    filter as Shape4,
    strides,
    dilations,
    pad,
    dimRoundingMode,
    depthwise,
  );
}

function pooling({ attrs }: TensorflowCall, x: tf.TensorInfo): Info | undefined {
  const { pad, strides, filterSize, dimRoundingMode } = attrs as Record<string, never>;
  if (!needsHelp(pad) || x.dtype !== 'float32') return undefined;
  return tf.backend_util.computePool2DInfo(x.shape as Shape4, filterSize, strides, 1, pad, dimRoundingMode);
}

const needsHelp = (pad: number | string | number[][]): boolean =>
  typeof pad === 'number' ? pad !== 0 : Array.isArray(pad) && pad.flat().some((zeros) => zeros !== 0);

/** Zeros before and after each axis of `[b, h, w, c]`: after, as many as the last window reaches out. */
function paddings(info: Info): number[] {
  const after = (count: number, stride: number, size: number, before: number, length: number) =>
    Math.max(0, (count - 1) * stride + size - before - length);
  const { padInfo, inHeight, inWidth, outHeight, outWidth, strideHeight, strideWidth } = info;
  const bottom = after(outHeight, strideHeight, info.effectiveFilterHeight, padInfo.top, inHeight);
  const right = after(outWidth, strideWidth, info.effectiveFilterWidth, padInfo.left, inWidth);
  return [0, 0, padInfo.top, bottom, padInfo.left, right, 0, 0];
}

const pairs = (info: Info): [number, number][] => {
  const p = paddings(info);
  return [0, 2, 4, 6].map((i) => [p[i]!, p[i + 1]!]);
};

const attributesOf = (info: Info) => ({
  strides: [1, info.strideHeight, info.strideWidth, 1],
  padding: 'EXPLICIT',
  explicit_paddings: paddings(info),
  data_format: 'NHWC',
});

const window = (info: Info) => ({ ...attributesOf(info), ksize: [1, info.filterHeight, info.filterWidth, 1] });

/** The gradient of a convolution towards what has that shape, which TensorFlow wants as a tensor. */
function gradient(
  { backend }: TensorflowCall,
  name: string,
  info: Info,
  shape: number[],
  inputs: (sizes: tf.TensorInfo) => tf.TensorInfo[],
): tf.Tensor {
  const sizes = tf.tensor1d(shape, 'int32');
  const dilations = [1, info.dilationHeight, info.dilationWidth, 1];
  const result = execute(backend as TensorflowBackend, name, inputs(sizes), { ...attributesOf(info), dilations });
  sizes.dispose();
  return result;
}

/** `[1, h, w, 1]`: what a mean over the whole window is multiplied by to be one over its pixels inside the image. */
function shares(info: Info): tf.Tensor4D {
  const inside = (count: number, stride: number, size: number, before: number, length: number) =>
    Array.from({ length: count }, (_, i) => {
      const start = i * stride - before;
      return Math.max(1, Math.min(length, start + size) - Math.max(0, start));
    });
  const { padInfo, filterHeight, filterWidth } = info;
  const rows = inside(info.outHeight, info.strideHeight, filterHeight, padInfo.top, info.inHeight);
  const columns = inside(info.outWidth, info.strideWidth, filterWidth, padInfo.left, info.inWidth);
  const values = rows.flatMap((r) => columns.map((c) => (filterHeight * filterWidth) / (r * c)));
  return tf.tensor4d(values, [1, rows.length, columns.length, 1]);
}
