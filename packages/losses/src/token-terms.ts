import * as tf from '@tensorflow/tfjs-core';
import { logSumExp } from './log-sum-exp';

/** Which tokens stand in the denominator: those of the same report, all pairs of the report, those of every report. */
export type TokenNegatives = 'report' | 'pairs' | 'batch';

/**
 * −log softmax of each token's own partner, forward (a_i among the b_j) and backward (b_i among the a_j) weighted:
 * `[b, l]`, 0 where the mask is off. Rows are taken as they are: unit vectors with zeros where the mask is off.
 */
export function tokenTerms(
  a: tf.Tensor3D,
  b: tf.Tensor3D,
  on: tf.Tensor2D,
  temperature: tf.Scalar,
  weights: { forward: number; backward: number },
  negatives: TokenNegatives = 'report',
): tf.Tensor2D {
  const [n, l, d] = a.shape;
  const scaled = tf.div(a, temperature) as tf.Tensor3D;
  const own = tf.sum(tf.mul(scaled, b), 2);
  const total = totals(scaled, b);
  const parts = (['forward', 'backward'] as const)
    .filter((direction) => weights[direction] > 0)
    .map((direction) => tf.mul(tf.sub(total(direction), own), weights[direction]));
  return tf.where(on, parts.length === 1 ? parts[0]! : tf.add(parts[0]!, parts[1]!), 0) as tf.Tensor2D;

  function totals(x: tf.Tensor3D, y: tf.Tensor3D): (direction: 'forward' | 'backward') => tf.Tensor {
    if (negatives === 'batch') {
      const flat = (tokens: tf.Tensor3D) => tf.reshape(tokens, [n * l, d]);
      const z = tf.matMul(flat(x), flat(y), false, true);
      return (direction) =>
        tf.reshape(
          direction === 'forward'
            ? logSumExp(z, 1, tf.reshape(on, [1, n * l]))
            : logSumExp(z, 0, tf.reshape(on, [n * l, 1])),
          [n, l],
        );
    }
    const z = tf.matMul(x, y, false, true);
    const [rows, columns] = [tf.expandDims(on, 2), tf.expandDims(on, 1)];
    if (negatives === 'report') {
      return (direction) => (direction === 'forward' ? logSumExp(z, 2, columns) : logSumExp(z, 1, rows));
    }
    const pairs = tf.reshape(tf.logicalAnd(rows, columns), [n, l * l]);
    const one = tf.expandDims(logSumExp(tf.reshape(z, [n, l * l]), 1, pairs), 1);
    return () => one;
  }
}
