import { infoNce } from '@medalign/losses';
import * as tf from '@tensorflow/tfjs-core';

const texts: tf.Tensor2D = tf.tensor2d([
  [1, 0],
  [0, 1],
]);
export const loss: tf.Tensor = infoNce(texts, texts, { temperature: 1, directions: 'mean', reduction: 'mean' });

// @ts-expect-error a misspelt option is a type error
infoNce(texts, texts, { temprature: 1 });
