import { gelu } from '@medalign/ops';
import { checkChoice } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';

/** 'gelu' is exact (erf), 'gelu-tanh' its approximation (`gelu_new`), 'quick-gelu' x · sigmoid(1.702 x) (OpenAI's CLIP). */
export type Activation = 'gelu' | 'gelu-tanh' | 'quick-gelu' | 'relu';

const functions: Record<Activation, (x: tf.Tensor) => tf.Tensor> = {
  gelu: (x) => gelu(x),
  'gelu-tanh': (x) => gelu(x, { approximation: 'tanh' }),
  'quick-gelu': (x) => tf.tidy(() => tf.mul(x, tf.sigmoid(tf.mul(x, 1.702)))),
  relu: (x) => tf.relu(x),
};

/** @throws OptionError for another word. */
export const activationOf = (name: Activation): ((x: tf.Tensor) => tf.Tensor) =>
  functions[checkChoice('activation', name, Object.keys(functions) as Activation[])];
