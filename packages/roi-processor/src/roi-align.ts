import { checkGradients, checkNumber, checkShape } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { constant, isOn, keepOn } from './masks';
import { checkSize, type Size } from './size';

/** Options of {@link roiAlign}. */
export interface RoiAlignOptions {
  /** cells of the result: s, or [height, width]; 7 */
  size?: Size;
  /** samples per cell and axis; or as many as a cell has pixels of the grid, rounded up; 2 */
  samples?: number | 'adaptive';
  /** pixel centres at ½, as everywhere else; false is the older convention, off by half a pixel; true */
  aligned?: boolean;
  /** `[b, r]`, 1 = an ROI */
  roiMask?: tf.Tensor | undefined;
}

/**
 * Features of boxes read off a feature grid (RoIAlign): one encoder pass for an image and all its regions.
 *
 * A box is cut into size × size cells; a cell is the mean of samples × samples bilinear samples. Sampling is separable, so
 * every axis is one matrix per box, built where the boxes are, and the result two matrix products:
 *
 *     y = Ry · grid · Rxᵀ,     R[i, j] = mean over the samples s of cell i of max(0, 1 − |s − j|)
 *
 * Samples are clamped to the centres of the outer pixels, and are 0 more than one pixel away from the grid.
 *
 * @param grid `[b, h, w, c]`, such as the patch tokens of a ViT; the gradient flows to it alone.
 * @param boxes `[b, r, 4]`, `[cx, cy, w, h]` in 0…1 of the image that the grid covers.
 * @param options see {@link RoiAlignOptions}.
 * @returns `[b, r, size, size, c]`; 0 where padded. The numbers are those of torchvision's `roi_align` with
 *   `sampling_ratio = samples` (−1 for 'adaptive').
 * @throws {ShapeError} if a shape does not fit; {OptionError} for an option out of range.
 * @example
 * const grid = tf.tensor4d([1, 2, 3, 4], [1, 2, 2, 1]);
 * await roiAlign(grid, tf.tensor3d([[[0.5, 0.5, 1, 1]]]), { size: 2 }).data(); // [1.375, 2.125, 2.875, 3.625]
 * @see He et al. 2017, Mask R-CNN, arXiv 1703.06870, section 3
 */
export function roiAlign(
  grid: tf.Tensor,
  boxes: tf.Tensor,
  { size = 7, samples = 2, aligned = true, roiMask }: RoiAlignOptions = {},
): tf.Tensor5D {
  checkGradients('roiAlign');
  const sizes = checkShape('boxes', boxes, 'b r 4', checkShape('grid', grid, 'b h w c'));
  if (roiMask) checkShape('roiMask', roiMask, 'b r', sizes);
  const [rows, columns] = checkSize(size);
  if (samples !== 'adaptive') checkNumber('samples', samples, { minimum: 1, integer: true });
  const [b, h, w, c] = grid.shape as [number, number, number, number];
  const r = boxes.shape[1]!;
  return tf.tidy(() => {
    const on = roiMask && isOn(roiMask);
    const [down, across] = [
      [1, rows, h],
      [0, columns, w],
    ].map(([axis, cells, pixels]) =>
      constant(() => axisWeights(keepOn(boxes, on), axis!, { cells: cells!, pixels: pixels!, samples, aligned })),
    ) as [tf.Tensor, tf.Tensor];
    const lines = tf.matMul(tf.reshape(down, [b, r * rows, h]), tf.reshape(grid, [b, h, w * c]));
    const repeated = tf.tile(tf.expandDims(across, 2), [1, 1, rows, 1, 1]);
    const cells = tf.matMul(tf.reshape(repeated, [b * r * rows, columns, w]), tf.reshape(lines, [b * r * rows, w, c]));
    return keepOn(tf.reshape(cells, [b, r, rows, columns, c]) as tf.Tensor5D, on);
  });
}

type Axis = { cells: number; pixels: number; samples: number | 'adaptive'; aligned: boolean };

/** What each pixel of one axis weighs in each cell, `[b, r, cells, pixels]`. Nothing is read back from the device. */
function axisWeights(boxes: tf.Tensor, axis: number, { cells, pixels, samples, aligned }: Axis): tf.Tensor {
  const [b, r] = boxes.shape as [number, number, number];
  const coordinate = (index: number) => tf.mul(tf.slice(boxes, [0, 0, index], [b, r, 1]), pixels);
  const [centre, extent] = [coordinate(axis), coordinate(axis + 2)];
  const start = tf.sub(tf.sub(centre, tf.div(extent, 2)), aligned ? 0.5 : 0);
  const cell = tf.div(aligned ? extent : tf.maximum(extent, 1), cells);

  // a box inside the image has no more than this many pixels in a cell, so the shapes stay those of any other box
  const most = samples === 'adaptive' ? Math.ceil(pixels / cells) + 1 : samples;
  const count = samples === 'adaptive' ? tf.minimum(tf.maximum(tf.ceil(cell), 1), most) : tf.onesLike(cell);
  const sample = tf.range(0, most, 1, 'float32');
  const within =
    samples === 'adaptive'
      ? tf.div(tf.add(sample, 0.5), count)
      : tf.reshape(tf.div(tf.add(sample, 0.5), most), [1, 1, most]);
  const share =
    samples === 'adaptive'
      ? tf.div(tf.cast(tf.less(sample, count), 'float32'), count)
      : tf.fill([1, 1, most], 1 / most);

  // [b, r, cells, most]
  const offset = tf.add(tf.reshape(tf.range(0, cells, 1, 'float32'), [1, 1, cells, 1]), tf.expandDims(within, 2));
  const at = tf.add(tf.expandDims(start, 3), tf.mul(tf.expandDims(cell, 3), offset));
  const near = tf.logicalAnd(tf.greaterEqual(at, -1), tf.lessEqual(at, pixels));
  const weight = tf.where(near, tf.broadcastTo(tf.expandDims(share, 2), at.shape), 0);
  const clamped = tf.clipByValue(at, 0, pixels - 1);
  const distance = tf.abs(tf.sub(tf.expandDims(clamped, 4), tf.range(0, pixels, 1, 'float32')));
  return tf.sum(tf.mul(tf.relu(tf.sub(1, distance)), tf.expandDims(weight, 4)), 3);
}
