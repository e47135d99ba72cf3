import { onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { wordFeatures } from './index';

onEveryEngine('wordFeatures', () => {
  it('adds the last layers, then the pieces of each word', () => {
    const states = [1, 10, 100].map((scale) => tf.tensor3d([scale, 2 * scale, 3 * scale, 4 * scale], [1, 4, 1]));
    const wordIndex = tf.tensor2d([[-1, 0, 0, 1]], [1, 4], 'int32');
    const run = (options: object) => Array.from(wordFeatures(states, wordIndex, { words: 3, ...options }).dataSync());
    expect(run({})).toEqual([555, 444, 0]);
    expect(run({ layers: 2 })).toEqual([550, 440, 0]);
    expect(run({ layers: 2, reduce: 'mean' })).toEqual([137.5, 220, 0]);
  });
});
