import { OptionError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { runKernel } from './kernel';

/**
 * Scales tensors together so that their common L2 norm is at most `maxNorm`, in one kernel where the engine has it.
 *
 *     norm = √(Σ_i ‖x_i‖²),   y_i = x_i · min(1, maxNorm / (norm + 1e-6))
 *
 * @param tensors any shapes, at least one; not disposed.
 * @param options `maxNorm` > 0; `Infinity` only measures.
 * @returns `clipped`, in order, and `norm` before clipping (scalar). Nothing is read back from the device.
 * @throws OptionError if `maxNorm` is not above 0 or there are no tensors.
 * @example
 * const { clipped, norm } = globalNormClip([tf.tensor1d([3, 0]), tf.tensor1d([4])], { maxNorm: 1 });
 * await norm.data(); // [5]
 * await clipped[1].data(); // [0.8]
 * @see Pascanu, Mikolov, Bengio 2013, arXiv 1211.5063
 */
export function globalNormClip(
  tensors: tf.Tensor[],
  { maxNorm }: { maxNorm: number },
): { clipped: tf.Tensor[]; norm: tf.Scalar } {
  if (!(maxNorm > 0)) throw new OptionError(`maxNorm must be > 0, got ${maxNorm}`);
  if (tensors.length === 0) throw new OptionError('globalNormClip: expected at least one tensor, got none');
  const [norm, ...clipped] = tf.tidy(() =>
    runKernel('MedalignClipByGlobalNorm', tensors, { maxNorm }, () => {
      const norm = tf.sqrt(tf.addN(tensors.map((x) => tf.sum(tf.square(x)))));
      if (maxNorm === Number.POSITIVE_INFINITY) return [norm, ...tensors.map((x) => tf.clone(x))];
      const scale = tf.minimum(tf.div(maxNorm, tf.add(norm, 1e-6)), 1);
      return [norm, ...tensors.map((x) => tf.mul(x, scale))];
    }),
  );
  return { clipped, norm: norm as tf.Scalar };
}
