import { checkGradients, checkShape, ShapeError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { constant } from './constant';
import { logSumExp } from './log-sum-exp';
import {
  asTemperature,
  checkReduction,
  type Directions,
  directionWeights,
  type Learnable,
  type Reduced,
  type Reduction,
} from './options';
import { hasAny, reduceRois } from './over-rois';
import { reduceRows } from './reduce';
import { keepOn, tokenMask } from './tokens';
import { unitRows } from './unit-rows';

/** What tells captions apart: an int32 tensor `[b]`, or the texts (or other keys) themselves. */
export type CaptionIds = tf.Tensor | readonly (string | number)[];

/** Options of {@link roiInfoNce}. */
export interface RoiInfoNceOptions<R extends Reduction = Reduction> {
  roiMask?: tf.Tensor;
  captionIds?: CaptionIds;
  multiPositive?: boolean;
  temperature?: Learnable;
  directions?: Directions | 'symmetric';
  reduction?: R;
}

/**
 * Each region against the region captions of the batch (RegionMed-CLIP Eqs 2 and 9).
 *
 * With unit ROIs u_ik (image i) and unit captions v_j, z_ikj = ⟨u_ik, v_j⟩/τ, and P(i) the captions that say what caption i says:
 *
 *     forward_ik = −log Σ_{j ∈ P(i)} exp z_ikj / Σ_j exp z_ikj         mean over an image's ROIs, then over images that have any
 *     backward_j = −log Σ_{ik: j ∈ P(i)} exp z_ikj / Σ_ik exp z_ikj    mean over captions whose image has an ROI
 *
 * Captions of images without ROIs stay in the denominator. ROIs of one image share their caption and "No Finding" repeats:
 * with `captionIds`, captions of equal id are all positives. Without ids, or with `multiPositive: false` (the paper as
 * written), only the image's own caption is one, and m equal captions keep the loss above ln m.
 *
 * @param rois `[b, r, d]`, any norm (normalised here).
 * @param captions `[b, d]`, the region caption of each image.
 * @param options `roiMask` `[b, r]`, 1 = an ROI; `captionIds`; `multiPositive`, default true; `temperature` τ, a number or a
 *   scalar tensor, default 0.07; `directions` `'forward'` (default: ROI → caption), `'symmetric'` (both, averaged, as
 *   `'mean'`), or as in {@link infoNce}; `reduction`.
 * @returns scalar for "mean", and for "sum" over all ROIs (and captions); `[b]`, one per image, for "none". A batch without any
 *   ROI gives 0, with gradient 0.
 * @throws {ShapeError} if shapes do not fit, or ids are not int32.
 * @example
 * const captions = tf.tensor2d([[1, 0], [0, 1]]);
 * const rois = tf.tensor3d([[[1, 0]], [[0, 1]]]);
 * await roiInfoNce(rois, captions, { temperature: 1 }).data(); // 0.3133
 * await roiInfoNce(rois, captions, { temperature: 1, captionIds: ['no finding', 'no finding'] }).data(); // 0
 */
export function roiInfoNce<R extends Reduction = 'mean'>(
  rois: tf.Tensor,
  captions: tf.Tensor,
  {
    roiMask,
    captionIds,
    multiPositive = true,
    temperature = 0.07,
    directions = 'forward',
    reduction = 'mean' as R,
  }: RoiInfoNceOptions<R> = {},
): Reduced<R> {
  checkGradients('roiInfoNce');
  const sizes = checkShape('captions', captions, 'b d', checkShape('rois', rois, 'b r d'));
  checkReduction(reduction);
  const weights = directionWeights(directions === 'symmetric' ? 'mean' : directions);
  const [b, r, d] = rois.shape as [number, number, number];
  return tf.tidy(() => {
    const on = tokenMask('roiMask', roiMask, 'b r', sizes);
    const flat = tf.reshape(unitRows(keepOn(rois, roiMask && on)), [b * r, d]);
    const scaled = tf.div(flat, asTemperature('temperature', temperature));
    const z = tf.matMul(scaled, unitRows(captions), false, true);
    const same = sameCaption(multiPositive ? captionIds : undefined, b);
    const positive = constant(() => tf.reshape(tf.tile(tf.expandDims(same, 1), [1, r, 1]), [b * r, b]));

    const forward = tf.reshape(tf.sub(logSumExp(z, 1), logSumExp(z, 1, positive)), [b, r]);
    const value = tf.mul(reduceRois(forward, on, reduction), weights.forward);
    if (weights.backward === 0) return value as Reduced<R>;
    const valid = constant(() => tf.reshape(on, [b * r, 1]));
    const validPositive = constant(() => tf.logicalAnd(positive, valid));
    const has = hasAny(on);
    const backward = tf.where(has, tf.sub(logSumExp(z, 0, valid), logSumExp(z, 0, validPositive)), 0);
    return tf.add(value, tf.mul(reduceRows(backward, has, reduction), weights.backward)) as Reduced<R>;
  });
}

/** Which captions say the same, `[b, b]` bool. */
function sameCaption(ids: CaptionIds | undefined, b: number): tf.Tensor {
  if (ids === undefined) return constant(() => tf.cast(tf.eye(b), 'bool'));
  if (ids instanceof tf.Tensor) {
    checkShape('captionIds', ids, String(b));
    if (ids.dtype !== 'int32')
      throw new ShapeError(`captionIds: expected int32 (float32 merges ids), got ${ids.dtype}`);
  } else if (ids.length !== b) throw new ShapeError(`captionIds: expected ${b} ids, one per image, got ${ids.length}`);
  return constant(() => {
    const numbers = ids instanceof tf.Tensor ? ids : tf.tensor1d(ids.map((id) => ids.indexOf(id)), 'int32'); // biome-ignore format: one expression
    return tf.equal(tf.expandDims(numbers, 1), tf.expandDims(numbers, 0));
  });
}
