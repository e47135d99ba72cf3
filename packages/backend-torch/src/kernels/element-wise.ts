import type * as tf from '@tensorflow/tfjs-core';
import { DTYPES } from '../native';
import type { Define, Kernels } from './types';

const UNARY =
  'Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Elu Erf Exp Expm1 Floor IsFinite IsInf IsNan Log Log1p LogicalNot Neg Reciprocal Relu Relu6 Round Rsqrt Selu Sigmoid Sign Sin Sinh Softplus Sqrt Square Tan Tanh OnesLike ZerosLike';
const BINARY =
  'Add Sub Multiply RealDiv FloorDiv Mod Pow Maximum Minimum SquaredDifference Atan2 Equal NotEqual Less LessEqual Greater GreaterEqual LogicalAnd LogicalOr BitwiseAnd';

/** Arithmetic, comparison and activation functions. */
export const elementWise: Define = (call) => {
  const kernels: Kernels = {};
  for (const name of UNARY.split(' ')) {
    const op = call.op(name);
    kernels[name] = ({ inputs }) => call.begin().tensor(inputs.x!).one(op);
  }
  for (const name of BINARY.split(' ')) {
    const op = call.op(name);
    kernels[name] = ({ inputs }) => call.begin().tensor(inputs.a!).tensor(inputs.b!).one(op);
  }
  const [add, prelu, leaky, step, clip, eluGrad, cast, select] = [
    'Add',
    'Prelu',
    'LeakyRelu',
    'Step',
    'ClipByValue',
    'EluGrad',
    'Cast',
    'Select',
  ].map((name) => call.op(name)) as [number, number, number, number, number, number, number, number];
  return {
    ...kernels,
    Prelu: ({ inputs }) => call.begin().tensor(inputs.x!).tensor(inputs.alpha!).one(prelu),
    LeakyRelu: ({ inputs, attrs }) => call.begin().tensor(inputs.x!).number(attrs.alpha).one(leaky),
    Step: ({ inputs, attrs }) => call.begin().tensor(inputs.x!).number(attrs.alpha).one(step),
    ClipByValue: ({ inputs, attrs }) =>
      call.begin().tensor(inputs.x!).number(attrs.clipValueMin).number(attrs.clipValueMax).one(clip),
    EluGrad: ({ inputs }) => call.begin().tensor(inputs.dy!).tensor(inputs.y!).one(eluGrad),
    Select: ({ inputs }) => call.begin().tensor(inputs.condition!).tensor(inputs.t!).tensor(inputs.e!).one(select),
    AddN: ({ inputs, backend }) => {
      const [first, ...rest] = inputs as unknown as tf.TensorInfo[];
      if (rest.length === 0) return backend.shared(first!);
      let sum = first!;
      for (const [i, tensor] of rest.entries()) {
        const next = call.begin().tensor(sum).tensor(tensor).one(add);
        if (i > 0) backend.disposeData(sum.dataId);
        sum = next;
      }
      return sum;
    },
    Cast: ({ inputs, attrs, backend }) => {
      const x = inputs.x!;
      const dtype = DTYPES.indexOf(attrs.dtype);
      if (dtype < 0) return undefined;
      if (x.dtype === attrs.dtype) return backend.shared(x);
      return call.begin().tensor(x).number(dtype).one(cast);
    },
  };
};
