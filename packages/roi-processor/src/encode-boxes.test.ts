import { checkGradient, expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { encodeBoxes } from './encode-boxes';

onEveryEngine('encodeBoxes', () => {
  it('equals plain loops', () => {
    const values = [0.1, 0.35, 0.8, 0.05, 0, 1, 0.5, 0.25];
    const expected = values.flatMap((value) => {
      const angles = [1, 2, 4, 8, 16].map((factor) => Math.PI * factor * value);
      return [...angles.map(Math.sin), ...angles.map(Math.cos)];
    });
    const got = encodeBoxes(tf.tensor3d(values, [2, 1, 4]), { frequencies: 5 });
    expect(got.shape).toEqual([2, 1, 40]);
    expectClose(got, expected, 1e-5);
  });

  it('tells the two edges of the image apart', () => {
    const encoded = encodeBoxes(tf.tensor3d([[[0, 0, 0.1, 0.1], [1, 0, 0.1, 0.1]]])).arraySync()[0]!; // biome-ignore format: two boxes
    expect(Math.hypot(...encoded[0]!.map((v, i) => v - encoded[1]![i]!))).toBeCloseTo(2, 5);
  });

  it('is 0 where padded, whatever stands there', () => {
    const boxes = tf.tensor3d([[[0.5, 0.5, 1, 1], Array(4).fill(Number.NaN)]]);
    const encoded = encodeBoxes(boxes, { roiMask: tf.tensor2d([[1, 0]]) });
    expectClose(tf.slice(encoded, [0, 1, 0], [1, 1, 64]), new Float32Array(64), 0);
    expectClose(tf.slice(encoded, 0, [1, 1, 64]), encodeBoxes(tf.tensor3d([[[0.5, 0.5, 1, 1]]])), 0);
  });

  it('has the gradient of finite differences', () => {
    const weights = random(1).tensor([1, 2, 16]);
    checkGradient(
      (x) => tf.sum(tf.mul(encodeBoxes(x as tf.Tensor3D, { frequencies: 2 }), weights)) as tf.Scalar,
      [tf.tensor3d([[[0.5, 0.4, 0.3, 0.2], [0.1, 0.9, 0.2, 0.1]]])], // biome-ignore format: two boxes
      { step: 1e-3 },
    );
  });

  it('leaks nothing and says what is wrong', () => {
    const boxes = tf.ones([2, 3, 4]) as tf.Tensor3D;
    const roiMask = tf.ones([2, 3]) as tf.Tensor2D;
    expectNoLeak(() => encodeBoxes(boxes, { roiMask }), [boxes, roiMask]);
    expect(() => encodeBoxes(tf.ones([2, 4]) as never)).toThrow(/boxes: expected shape \[b, r, 4\]/);
    expect(() => encodeBoxes(boxes, { frequencies: 0 })).toThrow(/frequencies/);
    expect(() => encodeBoxes(boxes, { roiMask: tf.ones([2, 2]) })).toThrow(/roiMask/);
  });
});
