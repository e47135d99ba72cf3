import { OptionError, ShapeError } from '@medalign/similarity';
import { expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Box } from './boxes';
import { padRois } from './pad-rois';

const whole: Box = [0.5, 0.5, 1, 1];
const left: Box = [0.25, 0.5, 0.5, 1];

onEveryEngine('padRois', () => {
  it('lays boxes and features out, zeros where there is none', () => {
    const features = tf.tensor2d([[1, 2], [3, 4], [5, 6]]); // biome-ignore format: one row per box
    const { boxes, roiMask, rois } = padRois([[whole], [], [left, whole]], { features });
    expect(boxes.arraySync()).toEqual([[[...whole], [0, 0, 0, 0]], [[0, 0, 0, 0], [0, 0, 0, 0]], [[...left], [...whole]]]); // biome-ignore format: one image per bracket
    expect(roiMask.arraySync()).toEqual([[1, 0], [0, 0], [1, 1]]); // biome-ignore format: one row per image
    expect(rois.arraySync()).toEqual([[[1, 2], [0, 0]], [[0, 0], [0, 0]], [[3, 4], [5, 6]]]); // biome-ignore format: one image per bracket
    expect(padRois([[], []]).boxes.shape).toEqual([2, 1, 4]);
    expect(padRois([[whole]], { size: 3 }).roiMask.arraySync()).toEqual([[1, 0, 0]]);
  });

  it('keeps every row once, in order, and hands its gradient back', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3), { minLength: 1, maxLength: 5 }), (counts) =>
        tf.tidy(() => {
          const total = counts.reduce((a, b) => a + b, 0);
          if (total === 0) return;
          const features = random(1).tensor<tf.Rank.R2>([total, 2]);
          const lists = counts.map((count) => Array.from({ length: count }, () => whole));
          const { rois, roiMask } = padRois(lists, { features });
          expectClose(tf.sum(roiMask, 1), counts);
          const kept = (rois.arraySync() as number[][][]).flatMap((rows, n) => rows.slice(0, counts[n]));
          expectClose(kept.flat(), features.dataSync(), 0);
          const weights = random(2).tensor(rois.shape);
          const gradient = tf.grad((x) => tf.sum(tf.mul(padRois(lists, { features: x as tf.Tensor2D }).rois, weights)))(
            features,
          );
          const wanted = (weights.arraySync() as number[][][]).flatMap((rows, n) => rows.slice(0, counts[n]));
          expectClose(gradient, wanted.flat(), 1e-6);
        }),
      ),
      { numRuns: 15, seed: 1 },
    );
  });

  it('leaks nothing', () => {
    const features = tf.ones([2, 3]) as tf.Tensor2D;
    expectNoLeak(() => ({ ...padRois([[whole, left], []], { features }) }), [features]);
  });
});

it('says what is wrong', () => {
  const pad = (box: number[]) => () => padRois([[whole], [whole, box as unknown as Box]]);
  expect(pad([0.9, 0.5, 0.4, 0.2])).toThrow(
    /boxes\[1\]\[1\]: expected \[cx, cy, w, h\] inside the image.*from 0.7 to 1.1 in x. Fix: clip it/,
  );
  expect(pad([0.5, 0.05, 0.4, 0.2])).toThrow(/from -0.05 to 0.15 in y/);
  expect(pad([0.5, 0.5, 0, 0.2])).toThrow(/it has no area/);
  expect(pad([0.5, 0.5, 0.2, -0.2])).toThrow(OptionError);
  expect(pad([120, 80, 40, 60])).toThrow(/pixels\? Fix: divide by the image's width and height/);
  expect(pad([0.5, Number.NaN, 0.1, 0.1])).toThrow(/finite/);
  expect(pad([0.5, 0.5, 0.1])).toThrow(/3 numbers instead of 4/);
  expect(pad([0.5, 0.5, 1.00005, 1])).not.toThrow();
  expect(() => padRois([])).toThrow(ShapeError);
  expect(() => padRois([[whole], [whole, left]], { size: 1 })).toThrow(
    /boxes\[1\]: expected at most size = 1 boxes, got 2/,
  );
  expect(() => padRois([[whole]], { features: tf.ones([2, 3]) as tf.Tensor2D })).toThrow(
    /features: expected \[1, d\].*got \[2,3\]/,
  );
});
