import { checkGradients, checkNumber, checkShape } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { isOn, keepOn } from './masks';

/**
 * Boxes as sinusoids, the input of a small network that places a region.
 *
 *     sin(2^f π c), cos(2^f π c)   for c in cx, cy, w, h and f = 0 … frequencies − 1
 *
 * Wavelengths go from twice the image, so that its two edges differ, down to 2^(2 − frequencies) of it.
 *
 * @param boxes `[b, r, 4]`, `[cx, cy, w, h]` in 0…1.
 * @param options `frequencies` (8); `roiMask` `[b, r]`, 1 = an ROI.
 * @returns `[b, r, 8 · frequencies]`, for each coordinate all sines and then all cosines; 0 where padded.
 * @throws {ShapeError} if a shape does not fit.
 * @example
 * await encodeBoxes(tf.tensor3d([[[0.5, 0.5, 1, 0]]]), { frequencies: 1 }).data(); // [1, 0, 1, 0, 0, -1, 0, 1]
 * @see Vaswani et al. 2017, arXiv 1706.03762, section 3.5; Mildenhall et al. 2020, arXiv 2003.08934, Eq 4
 */
export function encodeBoxes(
  boxes: tf.Tensor,
  { frequencies = 8, roiMask }: { frequencies?: number; roiMask?: tf.Tensor | undefined } = {},
): tf.Tensor3D {
  checkGradients('encodeBoxes');
  const sizes = checkShape('boxes', boxes, 'b r 4');
  if (roiMask) checkShape('roiMask', roiMask, 'b r', sizes);
  checkNumber('frequencies', frequencies, { minimum: 1, maximum: 16, integer: true });
  const [b, r] = boxes.shape as [number, number, number];
  return tf.tidy(() => {
    const on = roiMask && isOn(roiMask);
    const factors = tf.tensor1d(Array.from({ length: frequencies }, (_, f) => Math.PI * 2 ** f));
    const angles = tf.mul(tf.expandDims(keepOn(boxes, on), 3), factors);
    const waves = tf.concat([tf.sin(angles), tf.cos(angles)], 3);
    return keepOn(tf.reshape(waves, [b, r, 8 * frequencies]) as tf.Tensor3D, on);
  });
}
