import * as tf from '@tensorflow/tfjs-core';
import { freeWhileGoingBack } from './backward';
import { elementWise } from './element-wise';
import { matMul } from './mat-mul';
import { reductions } from './reductions';
import { saveLess } from './saved';

/**
 * Puts this package's gradients over tfjs-core's: right where those are wrong or throw (broadcast matMul,
 * squaredDifference, maximum and minimum, cumsum off the last axis, `where` on a comparison), and without uploads of
 * full-size host arrays (sum, mean). Ops save less for their gradients, and a backward pass frees what it has used.
 * Importing the package does it; call it again after importing `@tensorflow/tfjs`, which registers its own over them.
 *
 * @example
 * registerGradients();
 * tf.grad((x) => tf.sum(tf.where(tf.greater(x, 0), x, tf.mul(x, 0.1))))(tf.tensor1d([-1, 2])); // [0.1, 1]
 */
export function registerGradients(): void {
  saveLess();
  freeWhileGoingBack();
  for (const gradient of [...reductions, ...matMul, ...elementWise]) {
    tf.registerGradient(gradient as unknown as tf.GradConfig);
  }
}
