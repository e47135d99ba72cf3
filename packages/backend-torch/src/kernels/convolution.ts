import * as tf from '@tensorflow/tfjs-core';
import { sameShape } from '../data';
import { activationNumber } from './linear';
import type { Attributes, Define, TorchKernel } from './types';

const { computeConv2DInfo, computePool2DInfo, convertConv2DDataFormat } = tf.backend_util;
type Info = tf.backend_util.Conv2DInfo;
type Shape4 = [number, number, number, number];

/** Convolution, pooling and resizing of images `[b, h, w, c]`; other formats go to the cpu engine. */
export const convolution: Define = (call) => {
  const [conv, toInput, toFilter] = [
    call.op('Conv2D'),
    call.op('Conv2DBackpropInput'),
    call.op('Conv2DBackpropFilter'),
  ];

  /** `most`: how much padding libtorch takes of itself. */
  const window = (info: Info, most: [number, number] = [Infinity, Infinity]) => {
    const { top, bottom, left, right } = info.padInfo;
    // A pair that differs, or is more than libtorch takes, is padded by us.
    const ours = top !== bottom || left !== right || top > most[0] || left > most[1];
    return call
      .ints([info.strideHeight, info.strideWidth])
      .ints([info.dilationHeight, info.dilationWidth])
      .ints([top, bottom, left, right, ours ? 1 : 0]);
  };
  /**
   * Whether libtorch's output has the size that tfjs computed: it rounds down, and tfjs has rounding modes and a quirk
   * with numeric padding of filters that are not square.
   */
  const fits = (info: Info, y: number[] = info.outShape) => {
    const { top, bottom, left, right } = info.padInfo;
    const size = (n: number, pad: number, filter: number, stride: number) =>
      Math.floor((n + pad - filter) / stride) + 1;
    return (
      sameShape(info.outShape, y) &&
      info.outHeight === size(info.inHeight, top + bottom, info.effectiveFilterHeight, info.strideHeight) &&
      info.outWidth === size(info.inWidth, left + right, info.effectiveFilterWidth, info.strideWidth)
    );
  };
  /** libtorch reads images as tfjs does by default. */
  const known = ({ dataFormat }: Attributes) => !dataFormat || dataFormat === 'NHWC';

  const forward =
    (depthwise: boolean): TorchKernel =>
    ({ inputs: { x, filter, bias, preluActivationWeights }, attrs }) => {
      const activation = activationNumber(attrs.activation);
      if (!known(attrs) || activation < 0) return undefined;
      const info = infoOf(x!.shape, filter!.shape, attrs, depthwise);
      if (!fits(info)) return undefined;
      call.begin().tensor(x!).tensor(filter!).flag(depthwise);
      window(info);
      return call
        .optional(bias)
        .optional(preluActivationWeights)
        .number(activation)
        .number(attrs.leakyreluAlpha ?? 0)
        .one(conv);
    };
  const infoOf = (x: number[], filter: number[], attrs: Attributes, depthwise: boolean): Info =>
    computeConv2DInfo(
      x as Shape4,
      filter as Shape4,
      attrs.strides,
      attrs.dilations ?? 1,
      attrs.pad,
      attrs.dimRoundingMode,
      depthwise,
      convertConv2DDataFormat('NHWC'),
    );
  const backToInput =
    (depthwise: boolean): TorchKernel =>
    ({ inputs: { dy, filter }, attrs }) => {
      if (!known(attrs)) return undefined;
      const info = infoOf(attrs.inputShape, filter!.shape, attrs, depthwise);
      if (!fits(info, dy!.shape)) return undefined;
      call.begin().tensor(dy!).tensor(filter!).flag(depthwise);
      window(info);
      return call.ints(attrs.inputShape).one(toInput);
    };
  const backToFilter =
    (depthwise: boolean): TorchKernel =>
    ({ inputs: { x, dy }, attrs }) => {
      if (!known(attrs)) return undefined;
      const info = infoOf(x!.shape, attrs.filterShape, attrs, depthwise);
      if (!fits(info, dy!.shape)) return undefined;
      call.begin().tensor(x!).tensor(dy!).flag(depthwise);
      window(info);
      return call.ints(attrs.filterShape).one(toFilter);
    };

  const pool = (name: string, gradient: boolean, inputOf: (inputs: Record<string, tf.TensorInfo>) => tf.TensorInfo) => {
    const op = call.op(name);
    const kernel: TorchKernel = ({ inputs, attrs, backend }) => {
      const x = inputOf(inputs);
      const dilated = attrs.dilations !== undefined && [attrs.dilations].flat().some((d: number) => d !== 1);
      if (!known(attrs) || dilated || x.dtype !== 'float32') return undefined;
      const { filterSize, strides, pad, dimRoundingMode } = attrs;
      const info = computePool2DInfo(x.shape as Shape4, filterSize, strides, 1, pad, dimRoundingMode);
      if (info.filterHeight === 1 && info.filterWidth === 1 && sameShape(info.inShape, info.outShape))
        return backend.shared(gradient ? inputs.dy! : x);
      if (!fits(info, gradient ? inputs.dy!.shape : info.outShape)) return undefined;
      call.begin();
      if (gradient) call.tensor(inputs.dy!);
      call.tensor(x).ints([info.filterHeight, info.filterWidth]);
      return window(info, [info.filterHeight / 2, info.filterWidth / 2]).one(op);
    };
    return kernel;
  };

  const [bilinear, bilinearGrad] = [call.op('ResizeBilinear'), call.op('ResizeBilinearGrad')];
  return {
    Conv2D: forward(false),
    FusedConv2D: forward(false),
    DepthwiseConv2dNative: forward(true),
    FusedDepthwiseConv2D: forward(true),
    Conv2DBackpropInput: backToInput(false),
    DepthwiseConv2dNativeBackpropInput: backToInput(true),
    Conv2DBackpropFilter: backToFilter(false),
    DepthwiseConv2dNativeBackpropFilter: backToFilter(true),
    MaxPool: pool('MaxPool', false, ({ x }) => x!),
    MaxPoolGrad: pool('MaxPoolGrad', true, ({ input }) => input!),
    AvgPool: pool('AvgPool', false, ({ x }) => x!),
    AvgPoolGrad: pool('AvgPoolGrad', true, ({ input }) => input!),
    ResizeBilinear: ({ inputs: { images }, attrs: { size, alignCorners, halfPixelCenters } }) =>
      call
        .begin()
        .tensor(images!)
        .number(size[0])
        .number(size[1])
        .flag(!!alignCorners)
        .flag(!!halfPixelCenters)
        .one(bilinear),
    ResizeBilinearGrad: ({ inputs: { images, dy }, attrs: { alignCorners, halfPixelCenters } }) =>
      call
        .begin()
        .tensor(dy!)
        .number(images!.shape[1]!)
        .number(images!.shape[2]!)
        .flag(!!alignCorners)
        .flag(!!halfPixelCenters)
        .one(bilinearGrad),
  };
};
