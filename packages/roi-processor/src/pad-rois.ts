import { embedding } from '@medalign/ops';
import { checkNumber, checkShape, OptionError, ShapeError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { type Box, checkBox } from './boxes';

/** A batch of images with the same number of places for ROIs. */
export interface PaddedRois {
  /** `[b, r, 4]`, 0 where padded */
  boxes: tf.Tensor3D;
  /** `[b, r]`, 1 = an ROI, 0 = padded */
  roiMask: tf.Tensor2D;
}

/**
 * Lays the ROIs of a batch, any number per image, into one array with a mask.
 *
 * @param boxes the boxes of each image, `[cx, cy, w, h]` in 0…1; an image without any has an empty list.
 * @param options `size` r, default the most that an image has, at least 1; `features` `[n, d]`, a row for each box in the
 *   order of images and boxes (the gradient flows back to it).
 * @returns `boxes` `[b, r, 4]`, `roiMask` `[b, r]`, and with `features` also `rois` `[b, r, d]`; 0 where padded.
 * @throws {OptionError} naming a box without area or outside its image, or an image with more than `size` ROIs.
 * @throws {ShapeError} if `features` has not one row per box.
 * @example
 * const { boxes, roiMask } = padRois([[[0.5, 0.5, 1, 1]], [[0.25, 0.5, 0.5, 1], [0.75, 0.5, 0.5, 1]]]);
 * boxes.shape; // [2, 2, 4]
 * await roiMask.data(); // [1, 0, 1, 1]
 */
export function padRois(boxes: readonly (readonly Box[])[], options?: { size?: number }): PaddedRois;
export function padRois(
  boxes: readonly (readonly Box[])[],
  options: { size?: number; features: tf.Tensor },
): PaddedRois & { rois: tf.Tensor3D };
export function padRois(
  boxes: readonly (readonly Box[])[],
  { size, features }: { size?: number; features?: tf.Tensor } = {},
): PaddedRois & { rois?: tf.Tensor3D } {
  if (boxes.length === 0) throw new ShapeError('boxes: expected a list of boxes for each image, got no image');
  const counts = boxes.map((list) => list.length);
  const most = Math.max(...counts);
  const r = size === undefined ? Math.max(most, 1) : checkNumber('size', size, { minimum: 1, integer: true });
  if (most > r) {
    const image = counts.findIndex((count) => count > r);
    throw new OptionError(`boxes[${image}]: expected at most size = ${r} boxes, got ${counts[image]}`);
  }
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (features && checkShape('features', features, 'n d') && features.shape[0] !== total) {
    throw new ShapeError(`features: expected [${total}, d], a row for each box, got [${features.shape}]`);
  }

  const values = new Float32Array(boxes.length * r * 4);
  const ids = new Int32Array(boxes.length * r).fill(-1);
  let row = 0;
  boxes.forEach((list, image) => {
    list.forEach((box, k) => {
      checkBox(`boxes[${image}][${k}]`, box);
      values.set(box, (image * r + k) * 4);
      ids[image * r + k] = row++;
    });
  });
  const mask = Float32Array.from(ids, (id) => Number(id >= 0));
  return tf.tidy(() => ({
    boxes: tf.tensor3d(values, [boxes.length, r, 4]),
    roiMask: tf.tensor2d(mask, [boxes.length, r]),
    ...(features && { rois: embedding(tf.tensor2d(ids, [boxes.length, r], 'int32'), features) as tf.Tensor3D }),
  }));
}
