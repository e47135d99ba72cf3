import { expectClose, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { useBackend } from '../index';

it.each([4097, 20000])('average pooling of %i channels', async (channels) => {
  const pooled = () => tf.avgPool(random(1).tensor<tf.Rank.R4>([2, 4, 3, channels]), [4, 3], 2, 'same');
  await useBackend('cpu');
  const expected = tf.tidy(() => pooled().dataSync());
  await useBackend('wasm');
  const before = tf.engine().backend.numDataIds();
  expectClose(
    tf.tidy(() => pooled().dataSync().slice()),
    expected,
    1e-6,
  );
  expect(tf.engine().backend.numDataIds()).toBe(before);
  const small = tf.tidy(() => tf.sum(tf.ones([100])).dataSync()[0]);
  expect(small).toBe(100);
});
