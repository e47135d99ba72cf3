import * as tf from '@tensorflow/tfjs-core';
import { execute, replaceKernel, type TensorflowCall } from './native';
import { attributesOf, isCounted, type Pad, type Shape4, type Windows, zerosOf } from './padding';

type Tensors = Record<'x' | 'filter' | 'dy', tf.TensorInfo>;

interface Attributes {
  strides: number | [number, number];
  pad: Pad;
  dilations?: number | [number, number];
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
  dataFormat?: 'NHWC' | 'NCHW';
  filterShape: Shape4;
  inputShape: Shape4;
}

/**
 * Convolutions padded by a number of zeros, as PyTorch counts them: tfjs-node refuses it, and in gradients everything
 * but 'same' and 'valid'. TensorFlow takes zeros for every side.
 */
export function registerConvolutions(): void {
  for (const depthwise of [false, true]) {
    for (const name of depthwise ? ['DepthwiseConv2dNative', 'FusedDepthwiseConv2D'] : ['Conv2D', 'FusedConv2D']) {
      replaceKernel(name, (call, original) => {
        const { x, filter } = call.inputs as Tensors;
        const windows = windowsOf(call, x.shape, filter.shape, depthwise);
        if (!windows) return original(call);
        return original({ ...call, attrs: { ...call.attrs, pad: zerosOf(windows), dimRoundingMode: undefined } });
      });
    }
    const name = depthwise ? 'DepthwiseConv2dNative' : 'Conv2D';
    replaceKernel(`${name}BackpropFilter`, (call, original) => {
      const { x, dy } = call.inputs as Tensors;
      const { filterShape } = call.attrs as unknown as Attributes;
      const windows = windowsOf(call, x.shape, filterShape, depthwise);
      if (!windows) return original(call);
      return gradient(call, `${name}BackpropFilter`, windows, filterShape, (sizes) => [x, sizes, dy]);
    });
    replaceKernel(`${name}BackpropInput`, (call, original) => {
      const { dy, filter } = call.inputs as Tensors;
      const { inputShape } = call.attrs as unknown as Attributes;
      const windows = windowsOf(call, inputShape, filter.shape, depthwise);
      if (!windows) return original(call);
      return gradient(call, `${name}BackpropInput`, windows, inputShape, (sizes) => [sizes, filter, dy]);
    });
  }
}

/** Undefined where tfjs-node needs no help, or can have none. */
function windowsOf(call: TensorflowCall, x: number[], filter: number[], depthwise: boolean): Windows | undefined {
  const { strides, pad, dilations, dimRoundingMode, dataFormat } = call.attrs as unknown as Attributes;
  if (!isCounted(pad) || dataFormat === 'NCHW') return undefined;
  return tf.backend_util.computeConv2DInfo(
    x as Shape4,
    filter as Shape4,
    strides,
    dilations ?? 1,
    pad as number,
    dimRoundingMode,
    depthwise,
  );
}

/** The gradient towards what has that shape, which TensorFlow wants as a tensor. */
function gradient(
  { backend }: TensorflowCall,
  name: string,
  windows: Windows,
  shape: number[],
  inputs: (sizes: tf.TensorInfo) => tf.TensorInfo[],
): tf.Tensor {
  const sizes = tf.tensor1d(shape, 'int32');
  const dilations = [1, windows.dilationHeight, windows.dilationWidth, 1];
  const result = execute(backend, name, inputs(sizes), { ...attributesOf(windows), dilations });
  sizes.dispose();
  return result;
}
