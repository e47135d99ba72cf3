import type * as tf from '@tensorflow/tfjs-core';
import type { Define } from './types';

/** The kernels of `@medalign/ops` over all parameters of a model: their inputs are lists. */
export const optimiser: Define = (call) => {
  const [adam, clip] = [call.op('Adam'), call.op('ClipByGlobalNorm')];
  return {
    MedalignAdam: ({ inputs, attrs: { stepSize, beta1, beta2, epsilon, penalty, shrink, inPlace } }) => {
      const list = inputs as unknown as tf.TensorInfo[];
      call.begin();
      for (const value of [stepSize, beta1, beta2, epsilon, penalty, shrink, list.length / 4]) call.number(value);
      for (const [i, tensor] of list.entries()) {
        call.tensor(tensor);
        if (i % 4 !== 1) call.number(inPlace ? call.users(tensor) : 0);
      }
      return call.run(adam);
    },
    MedalignClipByGlobalNorm: ({ inputs, attrs: { maxNorm } }) =>
      call
        .begin()
        .number(maxNorm)
        .tensors(inputs as unknown as tf.TensorInfo[])
        .run(clip),
  };
};
