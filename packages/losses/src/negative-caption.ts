import { checkChoice, checkGradients, checkShape, OptionError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { constant } from './constant';
import { logSumExp } from './log-sum-exp';
import { asScalar, asTemperature, checkReduction, type Learnable, type Reduced, type Reduction } from './options';
import { countOf, hasAny, reduceRois } from './over-rois';
import { softplus } from './softplus';
import { keepOn, tokenMask } from './tokens';
import { unitRows } from './unit-rows';

/** Options of {@link negativeCaptionLoss}. */
export interface NegativeCaptionOptions<R extends Reduction = Reduction> {
  roiMask?: tf.Tensor;
  negativeMask?: tf.Tensor;
  mode?: 'bce' | 'infonce';
  captions?: tf.Tensor;
  temperature?: Learnable;
  scale?: Learnable;
  bias?: Learnable;
  reduction?: R;
}

/**
 * Regions against captions that are wrong on purpose (RegionMed-CLIP Eqs 2 and 10).
 *
 * With unit ROIs u_ik and the unit negative captions n_im of their image, N_ikm = scale · ⟨u_ik, n_im⟩:
 *
 *     'bce'      L_ik = (1/K) Σ_m softplus(N_ikm + bias)               softplus(x) = −log(1 − sigmoid(x)), without overflow
 *     'infonce'  L_ik = −log exp(P_ik) / (exp(P_ik) + Σ_m exp(N_ikm))   P_ik = scale · ⟨u_ik, caption i⟩
 *
 * averaged over an image's ROIs, then over images that have both an ROI and a negative ("No Finding" has no negatives).
 * The paper's equation has scale 1 and bias 0 (`negativeCaptionPresets.literal`): it stays between 0.313262 and 1.313262 and
 * never saturates, so ROIs are pushed away from negatives however far they are. The default scale is 1/τ.
 *
 * @param rois `[b, r, d]`, any norm (normalised here).
 * @param negatives `[b, k, d]`, the negative captions of each image.
 * @param options `roiMask` `[b, r]` and `negativeMask` `[b, k]`, 1 = valid; `mode`, default `'bce'`; `captions` `[b, d]`, the
 *   region captions that `'infonce'` needs; `temperature` τ, default 0.07; `scale`, default 1/τ, which follows a learnable τ;
 *   `bias`, default 0, `'bce'` alone; numbers or scalar tensors that the gradient flows to; `reduction`.
 * @returns scalar for "mean", and for "sum" over all ROIs; `[b]`, one per image, for "none". A batch without such an image gives
 *   0, with gradient 0.
 * @throws {ShapeError} if shapes do not fit; {OptionError} if `'infonce'` has no captions, or a bias.
 * @example
 * const rois = tf.tensor3d([[[1, 0]]]);
 * const negatives = tf.tensor3d([[[0, 1], [0, 2]]]);
 * await negativeCaptionLoss(rois, negatives, negativeCaptionPresets.literal).data(); // 0.6931
 */
export function negativeCaptionLoss<R extends Reduction = 'mean'>(
  rois: tf.Tensor,
  negatives: tf.Tensor,
  {
    roiMask,
    negativeMask,
    mode = 'bce',
    captions,
    temperature = 0.07,
    scale,
    bias = 0,
    reduction = 'mean' as R,
  }: NegativeCaptionOptions<R> = {},
): Reduced<R> {
  checkGradients('negativeCaptionLoss');
  const sizes = checkShape('negatives', negatives, 'b k d', checkShape('rois', rois, 'b r d'));
  checkChoice('mode', mode, ['bce', 'infonce']);
  checkReduction(reduction);
  if (captions) checkShape('captions', captions, 'b d', sizes);
  else if (mode === 'infonce') throw new OptionError("captions: expected [b, d] for mode 'infonce', got none");
  if (mode === 'infonce' && bias !== 0)
    throw new OptionError("bias: expected none with mode 'infonce', where it would cancel out, got one");
  return tf.tidy(() => {
    const on = tokenMask('roiMask', roiMask, 'b r', sizes);
    const wrong = tokenMask('negativeMask', negativeMask, 'b k', sizes);
    const factor =
      scale === undefined ? tf.div(1, asTemperature('temperature', temperature)) : asScalar('scale', scale);
    const u = tf.mul(unitRows(keepOn(rois, roiMask && on)), factor);
    const z = tf.matMul(u, unitRows(keepOn(negatives, negativeMask && wrong)), false, true);
    const columns = constant(() => tf.expandDims(wrong, 1));
    const counted = constant(() => tf.logicalAnd(on, tf.expandDims(hasAny(wrong), 1)));
    return reduceRois(mode === 'bce' ? apart() : ranked(), counted, reduction);

    function apart(): tf.Tensor {
      const terms = tf.where(columns, softplus(tf.add(z, asScalar('bias', bias))), 0);
      return tf.div(tf.sum(terms, 2), countOf(wrong));
    }
    function ranked(): tf.Tensor {
      const own = tf.sum(tf.mul(u, tf.expandDims(unitRows(captions!), 1)), 2, true);
      const first = constant(() => tf.onesLike(tf.slice(columns, 0, [-1, 1, 1])));
      const all = logSumExp(tf.concat([own, z], 2), 2, tf.concat([first, columns], 2));
      return tf.sub(all, tf.squeeze(own, [2]));
    }
  });
}

/**
 * The paper's Eq 10 as written, to spread into the options.
 *
 * @example
 * const rois = tf.tensor3d([[[1, 0]]]);
 * await negativeCaptionLoss(rois, rois, { ...negativeCaptionPresets.literal }).data(); // 1.3133
 */
export const negativeCaptionPresets = {
  literal: { scale: 1, bias: 0 },
} as const satisfies Record<string, NegativeCaptionOptions>;
