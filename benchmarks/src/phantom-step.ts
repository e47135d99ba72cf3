import * as tf from '@tensorflow/tfjs-core';
import type { Iteration } from './cases';
import { planStep } from './plan-step';

const [BATCH, SIDE, WORDS, VOCABULARY] = [32, 64, 71, 1210];

/** One step of `npm run plan` on images and reports of its sizes: 40 to 70 words, a piece for every word. */
export function phantomStep(): Iteration {
  return planStep('phantom.yaml', VOCABULARY, {
    images: tf.randomNormal<tf.Rank.R4>([BATCH, SIDE, SIDE, 1], 0, 1, 'float32', 1),
    ids: tf.randomUniformInt([BATCH, WORDS + 2], 0, VOCABULARY, 2) as tf.Tensor2D,
    lengths: Array.from({ length: BATCH }, (_, i) => 40 + (i % (WORDS - 40))),
  });
}
