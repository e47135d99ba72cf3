import { checkGradients, checkNumber, checkShape } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { constant } from './constant';
import { matchingLoss } from './matching';
import {
  asTemperature,
  checkReduction,
  type Directions,
  directionWeights,
  type Learnable,
  type Reduced,
  type Reduction,
} from './options';
import { unitRows } from './unit-rows';

/** Options of {@link softTargetContrastive}. */
export interface SoftTargetOptions<R extends Reduction = Reduction> {
  smoothing?: number;
  temperature?: Learnable;
  directions?: Directions;
  reduction?: R;
}

/**
 * Contrastive loss with softened targets (PyramidCLIP): a pair that is not the given one may still match a little.
 *
 * With unit rows u_i (image) and v_j (text), z_ij = ⟨u_i, v_j⟩/τ, and smoothing α:
 *
 *     t_ij      = 1 − α if i = j else α/(n − 1)
 *     forward_i = −Σ_j t_ij log softmax_j(z_ij)       backward: the same over the columns
 *
 * @param image `[n, d]` embeddings, any norm (normalised here).
 * @param text `[n, d]`; row i describes image i.
 * @param options `smoothing` α in [0, 1], default 0.2, with 0 it is {@link infoNce}; `temperature` τ, a number or a scalar
 *   tensor, default 0.07; `directions`, default `'mean'`; `reduction`.
 * @returns scalar for "mean" and "sum"; `[n]` for "none".
 * @throws {ShapeError} if the shapes differ; {OptionError} if α is outside [0, 1].
 * @example
 * const x = tf.tensor2d([[1, 0], [0, 1]]);
 * await softTargetContrastive(x, x, { temperature: 1 }).data(); // 0.5133
 * @see Gao et al. 2022, PyramidCLIP, arXiv 2204.14095
 */
export function softTargetContrastive<R extends Reduction = 'mean'>(
  image: tf.Tensor,
  text: tf.Tensor,
  { smoothing = 0.2, temperature = 0.07, directions = 'mean', reduction = 'mean' as R }: SoftTargetOptions<R> = {},
): Reduced<R> {
  checkGradients('softTargetContrastive');
  checkShape('text', text, 'n d', checkShape('image', image, 'n d'));
  checkNumber('smoothing', smoothing, { minimum: 0, maximum: 1 });
  checkReduction(reduction);
  const weights = directionWeights(directions);
  const n = image.shape[0];
  return tf.tidy(() => {
    const others = n === 1 ? 0 : smoothing / (n - 1);
    const own = n === 1 ? 1 : 1 - smoothing;
    const target = constant(() => tf.add(tf.mul(tf.eye(n), own - others), others));
    const z = tf.matMul(unitRows(image), unitRows(text), false, true);
    return matchingLoss({
      forward: tf.div(z, asTemperature('temperature', temperature)),
      targets: { forward: target, backward: target },
      weights,
      reduction,
    });
  });
}
