import { checkGradient, expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { cropRois } from './crop-rois';

/** [1, h, w, 2] whose two channels are the coordinates of the pixels' centres. */
const coordinates = (h: number, w: number) =>
  tf.tensor4d(Array.from({ length: h * w }, (_, i) => [(i % w) + 0.5, Math.floor(i / w) + 0.5]).flat(), [1, h, w, 2]);
const boxes = (...list: number[][]) => tf.tensor3d([list]);

onEveryEngine('cropRois', () => {
  it('cuts pixels out as they are when a crop has as many as its box', () => {
    const image = random(1).tensor<tf.Rank.R4>([1, 6, 8, 3]);
    const crop = cropRois(image, boxes([0.5, 0.5, 0.5, 1 / 3]), { size: [2, 4] });
    expectClose(crop, tf.slice(image, [0, 2, 2, 0], [1, 2, 4, 3]), 1e-5);
    const turned = cropRois(tf.cast(tf.round(tf.mul(image, 50)), 'int32') as tf.Tensor4D, boxes([0.5, 0.5, 1, 1]), {
      size: [6, 8],
    });
    expectClose(turned, tf.round(tf.mul(image, 50)), 1e-4);
  });

  it('reads a linear image exactly: pixel centres at ½', () => {
    const crop = cropRois(coordinates(10, 20), boxes([0.5, 0.45, 0.4, 0.5]), { size: [5, 2], antialias: false });
    const x = [8, 12].map((left) => left); // the box is 6 … 14 wide, two pixels of 4
    const y = [2.5, 3.5, 4.5, 5.5, 6.5]; // and 2 … 7 high, five of 1
    expectClose(
      crop,
      y.flatMap((row) => x.flatMap((column) => [column, row])),
      1e-5,
    );
  });

  it('with antialias a smaller crop averages what lies in between', () => {
    const stripes = tf.tensor4d(
      Array.from({ length: 64 }, (_, i) => i % 2),
      [1, 1, 64, 1],
    );
    const take = (antialias: boolean) => cropRois(stripes, boxes([0.5, 0.5, 0.5, 1]), { size: [1, 4], antialias });
    expectClose(take(true), [0.5, 0.5, 0.5, 0.5], 1e-2);
    const odd = tf.tensor4d(
      Array.from({ length: 63 }, (_, i) => i % 2),
      [1, 1, 63, 1],
    );
    const skipped = cropRois(odd, boxes([0.5, 0.5, 1, 1]), { size: [1, 9], antialias: false });
    expectClose(skipped, [1, 0, 1, 0, 1, 0, 1, 0, 1], 1e-4); // every seventh pixel, from the fourth on
  });

  it('adds a margin on every side, cut at the edge of the image', () => {
    const image = coordinates(10, 10);
    const plain = (box: number[]) => cropRois(image, boxes(box), { size: 4 });
    expectClose(
      cropRois(image, boxes([0.5, 0.5, 0.4, 0.2]), { size: 4, margin: 0.25 }),
      plain([0.5, 0.5, 0.6, 0.3]),
      1e-5,
    );
    expectClose(
      cropRois(image, boxes([0.1, 0.5, 0.2, 0.2]), { size: 4, margin: 0.5 }),
      plain([0.15, 0.5, 0.3, 0.4]),
      1e-5,
    );
  });

  describe('a box that is twice as wide as high', () => {
    const wide = [0.5, 0.5, 0.4, 0.2]; // 6 … 14 by 8 … 12
    const rows = (aspect: 'stretch' | 'pad' | 'expand', box = wide) =>
      (
        cropRois(coordinates(20, 20), boxes(box), {
          size: 4,
          aspect,
          fill: -1,
          antialias: false,
        }).arraySync() as number[][][][][]
      )[0]![0]!;
    const columns = [7, 9, 11, 13];

    it('is stretched', () => {
      expectClose(
        rows('stretch').flat(2),
        [8.5, 9.5, 10.5, 11.5].flatMap((y) => columns.flatMap((x) => [x, y])),
        1e-5,
      );
    });

    it('keeps its shape between bars', () => {
      const bar = Array(8).fill(-1);
      const shown = [9, 11].flatMap((y) => columns.flatMap((x) => [x, y]));
      expectClose(rows('pad').flat(2), [...bar, ...shown, ...bar], 1e-5);
    });

    it('is seen with what lies around it', () => {
      expectClose(
        rows('expand').flat(2),
        [7, 9, 11, 13].flatMap((y) => columns.flatMap((x) => [x, y])),
        1e-5,
      );
      // at the upper edge, 8 by 4 pixels at y 0 … 4: its square begins two pixels above the image
      const atEdge = rows('expand', [0.5, 0.1, 0.4, 0.2]).flat(2);
      expectClose(atEdge, [...Array(8).fill(-1), ...[1, 3, 5].flatMap((y) => columns.flatMap((x) => [x, y]))], 1e-5);
    });

    it('however thin, it shows', () => {
      for (const aspect of ['pad', 'expand'] as const)
        for (const place of [
          [0.5, 0.5, 1, 0.001],
          [0.0005, 0.5, 0.001, 1],
        ])
          expect(
            rows(aspect, place)
              .flat(2)
              .some((v) => v !== -1),
          ).toBe(true);
    });
  });

  it('replaces a masked background before sampling, NaN and all', () => {
    const [h, w] = [4, 4];
    const image = tf.tensor4d([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], [1, h, w, 1]);
    const mask = tf.tensor3d([1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0], [1, h, w]);
    const broken = tf.where(tf.reshape(tf.greater(mask, 0), [1, h, w, 1]), image, Number.NaN) as tf.Tensor4D;
    const whole = boxes([0.5, 0.5, 1, 1]);
    const wanted = [1, 2, -5, -5, 5, 6, -5, -5, 9, 10, -5, -5, 13, 14, -5, -5];
    expectClose(cropRois(broken, whole, { size: 4, masks: mask, fill: -5 }), wanted, 1e-5);
    // the mean over 2 × 2 of what is left: nothing but the fill in the right half
    const half = cropRois(broken, boxes([0.75, 0.5, 0.5, 1]), { size: [2, 1], masks: mask, antialias: false });
    expectClose(half, [0, 0], 1e-5);
    // a mask for each ROI
    const own = tf.stack([mask, tf.sub(1, mask)], 1);
    const two = cropRois(image, boxes([0.5, 0.5, 1, 1], [0.5, 0.5, 1, 1]), { size: 4, masks: own, fill: 0 });
    expectClose(tf.sum(two, 1), image, 1e-5);
  });

  it('pads, or packs in the order of padRois', () => {
    const images = random(2).tensor<tf.Rank.R4>([2, 5, 5, 1]);
    const places = tf.tensor3d([[[0.5, 0.5, 1, 1], Array(4).fill(Number.NaN)], [[0.3, 0.3, 0.4, 0.4], [0.5, 0.5, 0.2, 0.2]]]); // biome-ignore format: two images
    const roiMask = tf.tensor2d([[1, 0], [1, 1]]); // biome-ignore format: one row per image
    const padded = cropRois(images, places, { size: 3, roiMask, fill: 7 });
    const packed = cropRois(images, places, { size: 3, roiMask, packed: true });
    expect([padded.shape, packed.shape]).toEqual([[2, 2, 3, 3, 1], [3, 3, 3, 1]]); // biome-ignore format: two shapes
    const flat = tf.reshape(padded, [4, 9]).arraySync() as number[][];
    expect(flat[1]).toEqual(Array(9).fill(7));
    expectClose(
      [0, 2, 3].flatMap((i) => flat[i]!),
      packed,
      0,
    );
    const none = { size: 3, roiMask: tf.zeros([2, 2]) as tf.Tensor2D };
    expectClose(cropRois(images, places, none), new Float32Array(36), 0);
    expect(() => cropRois(images, places, { ...none, packed: true })).toThrow(/expected an ROI.*skip this batch/);
  });

  it('hands gradients to the image', () => {
    const places = boxes([0.4, 0.5, 0.5, 0.7], [0.8, 0.8, 0.3, 0.3]);
    const mask = tf.tensor3d(
      Array.from({ length: 20 }, (_, i) => Number(i % 3 > 0)),
      [1, 4, 5],
    );
    const weights = random(2).tensor([1, 2, 3, 3, 1]);
    const f = (x: tf.Tensor) =>
      tf.sum(tf.mul(cropRois(x as tf.Tensor4D, places, { size: 3, aspect: 'pad', masks: mask }), weights)) as tf.Scalar;
    checkGradient((x) => f(x!), [random(3).tensor([1, 4, 5, 1])]);
  });

  it('leaks nothing', () => {
    const [image, places, mask] = [coordinates(6, 6), boxes([0.5, 0.5, 0.3, 0.8]), tf.ones([1, 6, 6])];
    for (const aspect of ['stretch', 'pad'] as const)
      expectNoLeak(() => cropRois(image, places, { size: 4, aspect, masks: mask }), [image, places, mask]);
  });
});

it('says what is wrong', () => {
  const image = tf.ones([1, 4, 4, 1]) as tf.Tensor4D;
  expect(() => cropRois(image, boxes([0.9, 0.5, 0.4, 0.2]))).toThrow(/boxes\[0\]\[0\]: .*from 0.7 to 1.1 in x/);
  expect(() => cropRois(image, boxes([0.5, 0.5, 0.4, 0.2], [0.5, 0.5, 0.3, 0]))).toThrow(/boxes\[0\]\[1\]: .*no area/);
  expect(() => cropRois(tf.ones([4, 4, 1]) as never, boxes([0.5, 0.5, 1, 1]))).toThrow(/images: expected shape/);
  expect(() => cropRois(image, tf.ones([2, 1, 4]))).toThrow(/b is 1 in images/);
  const whole = boxes([0.5, 0.5, 1, 1]);
  expect(() => cropRois(image, whole, { size: 0 })).toThrow(/size/);
  expect(() => cropRois(image, whole, { margin: -0.1 })).toThrow(/margin/);
  expect(() => cropRois(image, whole, { aspect: 'fit' as never })).toThrow(/'stretch', 'pad', 'expand'/);
  expect(() => cropRois(image, whole, { masks: tf.ones([1, 4, 5]) })).toThrow(/masks/);
  expect(() => cropRois(image, whole, { roiMask: tf.ones([1, 2]) })).toThrow(/roiMask/);
});
