import * as tf from '@tensorflow/tfjs-core';

/**
 * Names of the kernels an engine may register to run an op in one call; engines without them get the composite.
 *
 * Inputs, attributes and outputs (all float32 unless said, `n` rows, `d` columns):
 *
 * | kernel | inputs | attributes | outputs |
 * |---|---|---|---|
 * | `MedalignLayerNorm` | x [n,d], scale [d], offset [d] | epsilon | y [n,d], mean [n,1], reciprocalStd [n,1] |
 * | `MedalignLayerNormGrad` | dy, x [n,d], scale [d], mean, reciprocalStd [n,1] | — | dx [n,d], dScale [d], dOffset [d] |
 * | `MedalignBatchNorm` | x [n,d], scale [d], offset [d] | epsilon | y [n,d], mean [d], variance [d] (population) |
 * | `MedalignBatchNormGrad` | dy, x [n,d], scale, mean, variance [d] | epsilon | dx [n,d], dScale [d], dOffset [d] |
 * | `MedalignGelu` | x | approximation | y |
 * | `MedalignGeluGrad` | dy, x | approximation | dx |
 * | `MedalignAttention` | q [b,h,n,e], k [b,h,m,e], v [b,h,m,f], mask? [b,1 or h,1 or n,m] | scale | output [b,h,n,f], state |
 * | `MedalignAttentionGrad` | dy, q, k, v, mask?, output, state | scale | dq, dk, dv |
 * | `MedalignSoftmaxCrossEntropy` | logits [n,c], labels [n,c] | — | loss [n], softmax [n,c] |
 * | `MedalignDropout` | x | rate, key (uint32, see `seededUniform`) | y |
 * | `MedalignScatterRows` | rows [n,d], ids int32 [n] | count | sums [count,d]; ids outside 0…count−1 are dropped |
 * | `MedalignGatherRows` | rows [n,d], ids int32 [m] | — | [m,d]; ids outside 0…n−1 give a row of zeros |
 * | `MedalignAdam` | a list: weight, gradient, mean, square of each parameter; then the gradients' scale [], if any | stepSize, beta1, beta2, epsilon, penalty, shrink, inPlace | a list: weight, mean, square of each |
 * | `MedalignClipByGlobalNorm` | a list | maxNorm | norm [], then each of the list |
 *
 * `state` is whatever the engine's own gradient kernel wants back; an engine registers both kernels of a pair or none.
 */
export type MedalignKernel =
  | 'MedalignLinear'
  | 'MedalignLinearGrad'
  | 'MedalignLayerNorm'
  | 'MedalignLayerNormGrad'
  | 'MedalignBatchNorm'
  | 'MedalignBatchNormGrad'
  | 'MedalignGelu'
  | 'MedalignGeluGrad'
  | 'MedalignAttention'
  | 'MedalignAttentionGrad'
  | 'MedalignSoftmaxCrossEntropy'
  | 'MedalignDropout'
  | 'MedalignScatterRows'
  | 'MedalignGatherRows'
  | 'MedalignAdam'
  | 'MedalignClipByGlobalNorm';

/** Runs the active engine's kernel of this name, or the composite when it has none. Outputs are always a list. */
export function runKernel(
  name: MedalignKernel,
  inputs: tf.NamedTensorMap | tf.Tensor[],
  attributes: tf.NamedAttrMap,
  composite: () => tf.Tensor[],
): tf.Tensor[] {
  if (!tf.getKernel(name, tf.getBackend())) return composite();
  const outputs = tf.engine().runKernel(name, inputs as tf.NamedTensorMap, attributes) as tf.Tensor | tf.Tensor[];
  return Array.isArray(outputs) ? outputs : [outputs];
}

/** `tf.customGrad` with the types it really has: any number of tensors, one gradient per input. */
export function withGradient(
  forward: (save: (tensors: tf.Tensor[]) => void) => tf.Tensor,
  backward: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor[],
  inputs: tf.Tensor[],
): tf.Tensor {
  const op = tf.customGrad((...args) => {
    const save = args[args.length - 1] as unknown as (tensors: tf.Tensor[]) => void;
    return {
      value: forward(save),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => backward(dy, saved),
    };
  });
  return op(...inputs);
}
