import * as tf from '@tensorflow/tfjs-core';
import type { Define, TorchKernel } from './types';

const ACTIVATIONS = ['linear', 'relu', 'relu6', 'prelu', 'elu', 'sigmoid', 'leakyrelu'];

/** The number of an activation in native/linear.h. */
export const activationNumber = (name: string | undefined | null) => ACTIVATIONS.indexOf(name ?? 'linear');

/** Matrix products. */
export const linear: Define = (call) => {
  const [matMul, einsum] = [call.op('MatMul'), call.op('Einsum')];
  const product: TorchKernel = ({ inputs: { a, b, bias, preluActivationWeights }, attrs }) => {
    const activation = activationNumber(attrs.activation);
    if (activation < 0) return undefined;
    tf.util.assert(
      a!.shape.length > 1 && b!.shape.length > 1,
      () => `matMul: expected tensors of rank 2 or more, got [${a!.shape}] and [${b!.shape}]`,
    );
    return call
      .begin()
      .tensor(a!)
      .tensor(b!)
      .flag(!!attrs.transposeA)
      .flag(!!attrs.transposeB)
      .optional(bias)
      .optional(preluActivationWeights)
      .number(activation)
      .number(attrs.leakyreluAlpha ?? 0)
      .one(matMul);
  };
  return {
    BatchMatMul: product,
    _FusedMatMul: product,
    Einsum: ({ inputs, attrs: { equation } }) => {
      const tensors = inputs as unknown as tf.TensorInfo[];
      // tfjs's own reading of an equation: what it refuses on other engines is refused here
      const { allDims, idDims } = tf.backend_util.decodeEinsumEquation(equation, tensors.length);
      tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, tensors as tf.Tensor[]);
      return call.begin().text(equation).tensors(tensors).one(einsum);
    },
  };
};
