import { checkShape, ShapeError } from '@medalign/similarity';
import type * as tf from '@tensorflow/tfjs-core';
import { tidy } from '@tensorflow/tfjs-core';
import { isOn } from './constant';
import { infoNceOfUnitRows } from './info-nce-kernel';
import {
  asTemperature,
  checkAnyOn,
  checkChunkSize,
  checkReduction,
  type Directions,
  directionWeights,
  type Learnable,
  type Reduced,
  type Reduction,
} from './options';
import { unitRows } from './unit-rows';

/** Options of {@link infoNce}; {@link infoNcePresets} has those of published models. */
export interface InfoNceOptions<R extends Reduction = Reduction> {
  temperature?: Learnable;
  directions?: Directions;
  positives?: tf.Tensor;
  normalize?: boolean;
  chunkSize?: number;
  reduction?: R;
}

/**
 * Contrastive loss between two sets of embeddings (InfoNCE, the loss of CLIP, ConVIRT, GLoRIA and of PLAN's Eqs 2–3).
 *
 * With unit rows u_i (image) and v_j (text), z_ij = ⟨u_i, v_j⟩/τ, and P(i) the positives of row i (only i by default):
 *
 *     forward_i  = −log Σ_{j ∈ P(i)} exp z_ij / Σ_j exp z_ij
 *     backward_j = −log Σ_{i: j ∈ P(i)} exp z_ij / Σ_i exp z_ij
 *
 * Each direction is a mean over its rows that have a positive; the directions are then added, as PLAN's Eq 3 writes.
 * open_clip averages them: pass `directions: 'mean'`. A weighted sum, as in ConVIRT, is `{ forward, backward }`.
 *
 * The gradient is analytic and needs none registered with tfjs-core. With `chunkSize`, the loss and its gradient hold
 * only `chunkSize × m` logits at a time (log-sum-exp is streamed, logits are computed again in the backward pass).
 *
 * @param a `[n, d]` embeddings, image side, any norm (normalised here).
 * @param b `[m, d]` embeddings, text side; m = n and row i matches row i, unless `positives` says otherwise.
 * @param options `temperature` τ > 0, a number or a scalar tensor (gradient flows), default 0.1; `directions` `'sum'`
 *   (default), `'mean'`, `'forward'` or weights; `positives` `[n, m]` of 0 and 1; `normalize` false takes the rows as they
 *   are; `chunkSize` rows of `a` per block, default all; `reduction`.
 * @returns scalar for "mean" and "sum"; `[n]` for "none", both directions of row i added (needs n = m, or `'forward'`).
 * @throws {ShapeError} if shapes do not fit; {OptionError} for an option out of range or when `positives` has no 1.
 * @example
 * const x = tf.tensor2d([[1, 0], [0, 1]]);
 * await infoNce(x, x, { temperature: 1, directions: 'mean' }).data(); // 0.3133
 * @see van den Oord et al. 2018, arXiv 1807.03748; Radford et al. 2021, arXiv 2103.00020
 */
export function infoNce<R extends Reduction = 'mean'>(
  a: tf.Tensor,
  b: tf.Tensor,
  {
    temperature = 0.1,
    directions = 'sum',
    positives,
    normalize = true,
    chunkSize,
    reduction = 'mean' as R,
  }: InfoNceOptions<R> = {},
): Reduced<R> {
  const sizes = checkShape('a', a, 'n d');
  checkShape('b', b, positives ? 'm d' : 'n d', sizes);
  if (positives) checkShape('positives', positives, 'n m', sizes);
  const weights = directionWeights(directions);
  checkReduction(reduction);
  if (reduction === 'none' && weights.backward > 0 && a.shape[0] !== b.shape[0]) {
    throw new ShapeError(
      `reduction 'none' adds both directions row by row, which needs n = m, got n = ${a.shape[0]}, m = ${b.shape[0]}; ` +
        `use directions: 'forward'`,
    );
  }
  return tidy(() => {
    const scale = asTemperature('temperature', temperature);
    const isPositive = positives && isOn(positives);
    if (isPositive) checkAnyOn('positives', isPositive, 'positive pair');
    const [u, v] = normalize ? [unitRows(a), unitRows(b)] : [a, b];
    return infoNceOfUnitRows(u, v, scale, {
      isPositive,
      weights,
      reduction,
      chunkSize: checkChunkSize(chunkSize, a.shape[0]),
    }) as Reduced<R>;
  });
}

/**
 * The settings of published systems, to spread into the options: CLIP (τ learnable there, 0.07 at the start; mean of both
 * directions), ConVIRT (τ 0.1, image → text weighs 0.75), GLoRIA's global term (τ 0.1, sum) and PLAN (τ 0.1, sum).
 *
 * @example
 * const x = tf.tensor2d([[1, 0], [0, 1]]);
 * await infoNce(x, x, { ...infoNcePresets.convirt, temperature: 1 }).data(); // 0.3133
 * @see Zhang et al. 2020 (ConVIRT), arXiv 2010.00747; Huang et al. 2021 (GLoRIA), ICCV
 */
export const infoNcePresets = {
  clip: { temperature: 0.07, directions: 'mean' },
  convirt: { temperature: 0.1, directions: { forward: 0.75, backward: 0.25 } },
  gloria: { temperature: 0.1, directions: 'sum' },
  plan: { temperature: 0.1, directions: 'sum' },
} as const satisfies Record<string, InfoNceOptions>;
