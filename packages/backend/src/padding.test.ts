import { expectClose, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';

// Padding by a number of pixels, as ResNet has it, which engines read in their own ways: against the same on an image
// with the zeros in it.
const cases = [
  { size: 7, by: 2, pad: 3, height: 9, width: 12 },
  { size: 3, by: 2, pad: 1, height: 8, width: 8 },
  { size: 3, by: 2, pad: 1, height: 7, width: 10 },
  { size: 3, by: 1, pad: 1, height: 4, width: 5 },
];

type Op = (...x: tf.Tensor4D[]) => tf.Tensor;
const gradientsOf = (f: Op) => tf.grads(f as (...x: tf.Tensor[]) => tf.Tensor);

onEveryEngine('padding by a number', () => {
  const { tensor } = random(7);
  const around = (pad: number): [number, number][] => [
    [0, 0],
    [pad, pad],
    [pad, pad],
    [0, 0],
  ];
  /** Values and gradients of both. */
  function expectSame(f: Op, g: Op, x: tf.Tensor4D[]) {
    const [expected, actual] = [g(...x), f(...x)];
    expect(actual.shape).toEqual(expected.shape);
    expectClose(actual, expected, 1e-4);
    const dy = tensor(expected.shape);
    const gradients = gradientsOf(g)(x, dy);
    gradientsOf(f)(x, dy).forEach((gradient, i) => {
      expect(gradient.shape).toEqual(x[i]!.shape);
      expectClose(gradient, gradients[i]!, 1e-4);
    });
  }

  describe.each(cases)('%o', ({ size, by, pad, height, width }) => {
    const image = () => tensor<tf.Rank.R4>([2, height, width, 3]);

    it('conv2d', () => {
      expectSame(
        (x, w) => tf.conv2d(x, w, by, pad, 'NHWC', 1, 'floor'),
        (x, w) => tf.conv2d(tf.pad(x, around(pad)), w, by, 'valid'),
        [image(), tensor([size, size, 3, 4])],
      );
    });

    it('maxPool, of values below the zeros too', () => {
      const low = tf.sub(image(), 5) as tf.Tensor4D;
      expectSame(
        (x) => tf.maxPool(x, size, by, pad, 'floor'),
        (x) => tf.maxPool(tf.pad(x, around(pad), -100), size, by, 'valid'),
        [low],
      );
    });

    it('avgPool: a mean over the pixels inside', () => {
      const inside = tf.avgPool(tf.pad(tf.ones([1, height, width, 1]) as tf.Tensor4D, around(pad)), size, by, 'valid');
      expectSame(
        (x) => tf.avgPool(x, size, by, pad, 'floor'),
        (x) => tf.div(tf.avgPool(tf.pad(x, around(pad)), size, by, 'valid'), inside),
        [image()],
      );
    });
  });

  it('depthwiseConv2d', () => {
    expectSame(
      (x, w) => tf.depthwiseConv2d(x, w, 1, 1),
      (x, w) => tf.depthwiseConv2d(tf.pad(x, around(1)) as tf.Tensor4D, w, 1, 'valid'),
      [tensor([2, 6, 5, 3]), tensor([3, 3, 3, 2])],
    );
  });

  it('leaks nothing', () => {
    const [x, w] = [tensor<tf.Rank.R4>([1, 6, 6, 2]), tensor<tf.Rank.R4>([3, 3, 2, 2])];
    const step = () =>
      tf.dispose(
        gradientsOf((x, w) => tf.avgPool(tf.maxPool(tf.conv2d(x, w, 2, 1, 'NHWC', 1, 'floor'), 3, 1, 1), 3, 1, 1))([
          x,
          w,
        ]),
      );
    step();
    const before = tf.memory();
    step();
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
  });
});
