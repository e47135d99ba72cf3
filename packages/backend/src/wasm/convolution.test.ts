import { expectClose, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { useBackend } from '../index';

type Padding = 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
type Case = [name: string, x: number[], filter: number[], strides: number | [number, number], pad: Padding];

const cases: Case[] = [
  ['3×3 same', [2, 5, 6, 9], [3, 3, 9, 4], 1, 'same'],
  ['3×3 valid', [2, 5, 6, 9], [3, 3, 9, 4], 1, 'valid'],
  ['3×3 stride 2, odd size', [2, 7, 7, 9], [3, 3, 9, 4], 2, 'same'],
  ['3×3 stride 2, even size', [3, 8, 8, 9], [3, 3, 9, 4], 2, 'same'],
  ['3×3 stride 2, pixels left over', [2, 8, 9, 9], [3, 3, 9, 4], 2, 'valid'],
  ['3×3 stride 2, pad 1 as in PyTorch', [2, 8, 8, 9], [3, 3, 9, 4], 2, 1],
  ['5×3 strides 3 and 2', [2, 11, 8, 5], [5, 3, 5, 7], [3, 2], 'same'],
  ['stride larger than the filter', [2, 9, 9, 10], [2, 2, 10, 3], 3, 'valid'],
  [
    'explicit, uneven padding',
    [1, 6, 5, 8],
    [3, 3, 8, 3],
    2,
    [
      [0, 0],
      [2, 0],
      [0, 1],
      [0, 0],
    ],
  ],
  ['padding wider than the filter', [1, 4, 4, 70], [1, 1, 70, 3], 1, 2],
  ['7×7 stride 2 on one channel', [2, 16, 16, 1], [7, 7, 1, 4], 2, 'same'],
  ['3×3 on one channel', [2, 8, 8, 1], [3, 3, 1, 4], 2, 'same'],
  ['1×1', [2, 4, 4, 6], [1, 1, 6, 5], 1, 'same'],
  ['1×1 stride 2', [2, 5, 5, 70], [1, 1, 70, 5], 2, 'same'],
  [
    'rows that no window sees',
    [1, 3, 3, 40],
    [2, 2, 40, 3],
    3,
    [
      [0, 0],
      [1, 0],
      [1, 0],
      [0, 0],
    ],
  ],
  ['filter as large as the image', [2, 4, 4, 5], [4, 4, 5, 3], 1, 'valid'],
];

const onEngine = async (engine: 'cpu' | 'wasm', f: () => tf.Tensor) => {
  await useBackend(engine);
  return tf.tidy(() => f().dataSync().slice());
};

it.each(cases)(
  '%s: both gradients agree with the cpu engine and leave nothing behind',
  async (_, x, w, strides, pad) => {
    const gradients = (which: 0 | 1) => () => {
      const sample = random(7);
      const image = sample.tensor<tf.Rank.R4>(x);
      const filter = sample.tensor<tf.Rank.R4>(w);
      const y = tf.conv2d(image, filter, strides, pad);
      const dy = sample.tensor(y.shape);
      return tf.grads((a, b) => tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, strides, pad))([image, filter], dy)[
        which
      ]!;
    };
    for (const which of [0, 1] as const) {
      const expected = await onEngine('cpu', gradients(which));
      expectClose(await onEngine('wasm', gradients(which)), expected, 2e-5);
      const before = tf.engine().backend.numDataIds();
      await onEngine('wasm', gradients(which));
      expect(tf.engine().backend.numDataIds()).toBe(before);
    }
  },
);
