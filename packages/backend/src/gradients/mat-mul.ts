import * as tf from '@tensorflow/tfjs-core';
import { type Gradient, sumTo } from './shared';

/**
 * Gradients of C = A·B, each matrix possibly given transposed, with batch axes that broadcast: what broadcasting
 * copied is summed. (tfjs-core's own returns, or throws on, the output's batch shape.)
 */
const batchMatMul: Gradient = {
  kernelName: 'BatchMatMul',
  inputsToSave: ['a', 'b'],
  gradFunc: (dy, saved, { transposeA, transposeB }) => {
    const [a, b] = saved as [tf.Tensor, tf.Tensor];
    const sharedB = !transposeA && tf.util.sizeFromShape(b.shape.slice(0, -2)) === 1 && a.rank > 2;
    return {
      a: () => sumTo(transposeA ? tf.matMul(b, dy, !!transposeB, true) : tf.matMul(dy, b, false, !transposeB), a.shape),
      b: () => {
        // One right-hand matrix for a whole batch: the sum over the batch is part of one product of stacked rows.
        const left = sharedB ? stackRows(a) : a;
        const right = sharedB ? stackRows(dy) : dy;
        const gradient = transposeB
          ? tf.matMul(right, left, true, !!transposeA)
          : tf.matMul(left, right, !transposeA, false);
        return sharedB ? tf.reshape(gradient, b.shape) : sumTo(gradient, b.shape);
      },
    };
  },
};

const stackRows = (x: tf.Tensor): tf.Tensor => tf.reshape(x, [-1, x.shape[x.rank - 1]!]);

export const matMul = [batchMatMul];
