import type * as tf from '@tensorflow/tfjs-core';
import type { Define } from './types';

/** The kernels of `@medalign/ops` over all parameters of a model: their inputs are lists. */
export const optimiser: Define = (call) => {
  const [adam, clip] = [call.op('Adam'), call.op('ClipByGlobalNorm')];
  return {
    MedalignAdam: ({ inputs, attrs: { stepSize, beta1, beta2, epsilon, penalty, shrink, inPlace } }) => {
      const list = inputs as unknown as tf.TensorInfo[];
      call.begin();
      const count = Math.floor(list.length / 4);
      for (const value of [stepSize, beta1, beta2, epsilon, penalty, shrink]) call.number(value);
      call.optional(list[4 * count]).number(count);
      for (const [i, tensor] of list.slice(0, 4 * count).entries()) {
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
