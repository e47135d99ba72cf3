import * as tf from '@tensorflow/tfjs-core';
import { logSumExp } from './log-sum-exp';

/** Which tokens stand in the denominator: those of the same report, all pairs of the report, those of every report. */
export type TokenNegatives = 'report' | 'pairs' | 'batch';

/**
 * −log softmax of each token's own partner, forward (a_i among the b_j) and backward (b_i among the a_j) weighted:
 * `[b, l]`, 0 where the mask is off. Rows are taken as they are: unit vectors with zeros where the mask is off.
 */
export function tokenTerms(
  a: tf.Tensor,
  b: tf.Tensor,
  on: tf.Tensor,
  temperature: tf.Scalar,
  weights: { forward: number; backward: number },
  negatives: TokenNegatives = 'report',
): tf.Tensor {
  const { own, total } = negatives === 'batch' ? overBatch() : overReport();
  const parts = (['forward', 'backward'] as const)
    .filter((direction) => weights[direction] > 0)
    .map((direction) => tf.mul(tf.sub(total(direction), own), weights[direction]));
  return tf.where(on, parts.length === 1 ? parts[0]! : tf.add(parts[0]!, parts[1]!), 0);

  function overBatch(): Terms {
    const [n, l, d] = a.shape as [number, number, number];
    const scaled = tf.div(a, temperature); // fewer values than the products
    const flat = (tokens: tf.Tensor) => tf.reshape(tokens, [n * l, d]);
    const z = tf.matMul(flat(scaled), flat(b), false, true);
    const every = (shape: number[], axis: number) => tf.reshape(logSumExp(z, axis, tf.reshape(on, shape)), [n, l]);
    return {
      own: tf.sum(tf.mul(scaled, b), 2),
      total: (direction) => (direction === 'forward' ? every([1, n * l], 1) : every([n * l, 1], 0)),
    };
  }

  function overReport(): Terms {
    const [n, l] = a.shape as [number, number];
    const z = tf.div(tf.matMul(a, b, false, true), temperature);
    const own = tf.sum(tf.mul(z, tf.eye(l)), 2); // the diagonal; its values are 0 where the mask is off
    const [rows, columns] = [tf.expandDims(on, 2), tf.expandDims(on, 1)];
    if (negatives === 'report') {
      return {
        own,
        total: (direction) => (direction === 'forward' ? logSumExp(z, 2, columns) : logSumExp(z, 1, rows)),
      };
    }
    const pairs = tf.reshape(tf.logicalAnd(rows, columns), [n, l * l]);
    const one = tf.expandDims(logSumExp(tf.reshape(z, [n, l * l]), 1, pairs), 1);
    return { own, total: () => one };
  }
}

interface Terms {
  /** `[b, l]`: the logit of a token and its partner. */
  own: tf.Tensor;
  /** `[b, l]` or `[b, 1]`: log Σ exp over what a token is compared with. */
  total(direction: 'forward' | 'backward'): tf.Tensor;
}
