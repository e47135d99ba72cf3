import { checkChoice, checkNumber, checkShape, ShapeError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { checkBox } from './boxes';
import { isOn } from './masks';
import { type Aspect, type AxisWeights, axisWeights, fit, type Side } from './sampling';
import { checkSize, type Size } from './size';

/** Options of {@link cropRois}. */
export interface CropOptions {
  /** of the crops: s, or [height, width]; 224 */
  size?: Size;
  /** added to the box on every side, as a share of its width and height; what leaves the image is cut; 0 */
  margin?: number;
  /**
   * a box of another shape than the crop is stretched to it ('stretch'), keeps its shape between bars of `fill` ('pad'), or
   * is seen with more of the image around it, bars only where the image ends ('expand'); 'stretch'
   */
  aspect?: Aspect;
  /** average over what lies between two pixels of the crop when it is smaller than the box; true */
  antialias?: boolean;
  /** `[b, r]`, 1 = an ROI; others are not read, their crops are `fill` */
  roiMask?: tf.Tensor | undefined;
  /** `[b, h, w]` of each image or `[b, r, h, w]` of each ROI, 1 = what may be seen; the background becomes `fill` */
  masks?: tf.Tensor | undefined;
  /** value of bars and background; 0 */
  fill?: number;
  /** only the n crops there are, without padded ones: `[n, height, width, c]`, in the order of `padRois`' features; false */
  packed?: boolean;
}

/**
 * Crops of the ROIs of each image, for an encoder that sees them as images.
 *
 * Bilinear, with pixel centres at ½ (PyTorch's `align_corners=False`): pixel i of a crop of s pixels lies at
 * x0 + (i + ½) · (x1 − x0)/s, and pixels of the image next to the box take part as they would in the whole image.
 * With `antialias`, a crop that is smaller than its box averages over the pixels in between, with the triangle filter of Pillow
 * and torchvision; without, it skips them, which is what `grid_sample` does. A masked background is replaced before
 * sampling, so that nothing of it, NaN included, shows at the mask's edge.
 *
 * The boxes (and `roiMask`) are read back from the device: crop while loading data, or use {@link roiAlign}.
 *
 * @param images `[b, h, w, c]`, float32 or int32; the gradient flows to them.
 * @param boxes `[b, r, 4]`, `[cx, cy, w, h]` in 0…1.
 * @param options see {@link CropOptions}.
 * @returns `[b, r, height, width, c]`, or `[n, height, width, c]` if `packed`.
 * @throws {OptionError} naming a box without area or outside its image, or an option out of range.
 * @throws {ShapeError} if shapes do not fit, or a packed batch has no ROI.
 * @example
 * const image = tf.tensor4d([1, 2, 3, 4], [1, 2, 2, 1]);
 * await cropRois(image, tf.tensor3d([[[0.75, 0.5, 0.5, 1]]]), { size: [2, 1] }).data(); // [2, 4]
 * @see Pillow, Image.resize with box and Resampling.BILINEAR
 */
export function cropRois(images: tf.Tensor, boxes: tf.Tensor, options: CropOptions & { packed: true }): tf.Tensor4D;
export function cropRois(images: tf.Tensor, boxes: tf.Tensor, options?: CropOptions): tf.Tensor5D;
export function cropRois(
  images: tf.Tensor,
  boxes: tf.Tensor,
  {
    size = 224,
    margin = 0,
    aspect = 'stretch',
    antialias = true,
    roiMask,
    masks,
    fill = 0,
    packed = false,
  }: CropOptions = {},
): tf.Tensor {
  const sizes = checkShape('boxes', boxes, 'b r 4', checkShape('images', images, 'b h w c'));
  if (roiMask) checkShape('roiMask', roiMask, 'b r', sizes);
  if (masks) checkShape('masks', masks, masks.rank === 4 ? 'b r h w' : 'b h w', sizes);
  const [height, width] = checkSize(size);
  checkNumber('margin', margin, { minimum: 0 });
  checkChoice('aspect', aspect, ['stretch', 'pad', 'expand']);
  checkNumber('fill', fill);
  const [b, h, w, c] = images.shape as [number, number, number, number];
  const r = boxes.shape[1]!;
  const values = boxes.dataSync();
  const on = roiMask?.dataSync();
  const there = Array.from({ length: b * r }, (_, place) => place).filter((place) => on?.[place] ?? 1);
  const box = (place: number) => values.subarray(4 * place, 4 * place + 4);
  for (const place of there) checkBox(`boxes[${Math.floor(place / r)}][${place % r}]`, box(place));
  if (packed && there.length === 0)
    throw new ShapeError('boxes: expected an ROI in the batch, got none; skip this batch');

  return tf.tidy(() => {
    const crops = new Map(there.map((place) => [place, crop(place)]));
    if (packed) return tf.stack([...crops.values()]);
    const absent = crops.size < b * r ? tf.fill([height, width, c], fill) : undefined;
    const all = Array.from({ length: b * r }, (_, place) => crops.get(place) ?? absent!);
    return tf.reshape(tf.stack(all), [b, r, height, width, c]);
  });

  function crop(place: number): tf.Tensor3D {
    const image = Math.floor(place / r);
    const [cx, cy, boxWidth, boxHeight] = box(place) as unknown as [number, number, number, number];
    const side = (centre: number, length: number, pixels: number, cells: number): Side => {
      const half = length * (0.5 + margin);
      return {
        from: Math.max(centre - half, 0) * pixels,
        to: Math.min(centre + half, 1) * pixels,
        pixels,
        size: cells,
      };
    };
    const [y, x] = fit([side(cy, boxHeight, h, height), side(cx, boxWidth, w, width)], aspect);
    const [down, across] = [axisWeights(y, h, antialias), axisWeights(x, w, antialias)];
    const window = [down.first, across.first];
    const extent = [down.count, across.count] as const;

    let patch: tf.Tensor = tf.reshape(tf.slice(images, [image, ...window, 0], [1, ...extent, c]), [...extent, c]);
    if (patch.dtype !== 'float32') patch = tf.cast(patch, 'float32');
    if (masks) {
      const own = masks.rank === 4 ? [image, place % r] : [image];
      const cut = tf.slice(masks, [...own, ...window], [...own.map(() => 1), ...extent]);
      patch = tf.where(isOn(tf.reshape(cut, [...extent, 1])), patch, fill);
    }
    const lines = tf.matMul(weightsOf(down, y.cells), tf.reshape(patch, [down.count, across.count * c]) as tf.Tensor2D);
    const turned = tf.transpose(tf.reshape(lines, [y.cells, across.count, c]), [1, 0, 2]);
    const sampled = tf.matMul(
      weightsOf(across, x.cells),
      tf.reshape(turned, [across.count, y.cells * c]) as tf.Tensor2D,
    );
    const shown = tf.transpose(tf.reshape(sampled, [x.cells, y.cells, c]), [1, 0, 2]) as tf.Tensor3D;
    if (y.cells === height && x.cells === width) return shown;
    const bars = [y, x].map(({ before, after }) => [before, after]) as [[number, number], [number, number]];
    return tf.pad3d(shown, [...bars, [0, 0]], fill);
  }
}

const weightsOf = ({ weights, count }: AxisWeights, cells: number) => tf.tensor2d(weights, [cells, count]);
