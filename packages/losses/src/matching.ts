import * as tf from '@tensorflow/tfjs-core';
import { constant } from './constant';
import { logSumExp } from './log-sum-exp';
import type { Reduced, Reduction } from './options';
import { reduceRows } from './reduce';

interface Matching<R extends Reduction> {
  /** logits `[n, m]` whose rows choose among texts; images are rows */
  forward: tf.Tensor;
  /** logits `[n, m]` whose columns choose among images; the same matrix unless the similarity is not symmetric */
  backward?: tf.Tensor;
  /** target distributions `[n, m]`: rows sum to 1 for `forward`, columns for `backward`; default i matches i */
  targets?: { forward: tf.Tensor; backward: tf.Tensor };
  /** `[n]` bool: pairs whose text exists; others are neither counted nor candidates */
  has?: tf.Tensor;
  weights: { forward: number; backward: number };
  reduction: R;
}

/** Cross-entropy of a matrix of logits against target distributions, over its rows and over its columns. */
export function matchingLoss<R extends Reduction>({
  forward,
  backward = forward,
  targets,
  has,
  weights,
  reduction,
}: Matching<R>): Reduced<R> {
  const eye = () => constant(() => tf.eye(forward.shape[0]!));
  const goal = targets ?? { forward: eye(), backward: eye() };
  const crossEntropy = (z: tf.Tensor, target: tf.Tensor, axis: number, candidates?: tf.Tensor) => {
    const values = tf.sub(logSumExp(z, axis, candidates), tf.sum(tf.mul(target, z), axis));
    return has ? tf.where(has, values, 0) : values;
  };
  // a direction of weight 0 is not computed: its total need not have the other's length
  const parts: tf.Tensor[] = [];
  if (weights.forward > 0) {
    const rows = crossEntropy(forward, goal.forward, 1, has && tf.expandDims(has, 0));
    parts.push(tf.mul(reduceRows(rows, has, reduction), weights.forward));
  }
  if (weights.backward > 0) {
    const columns = crossEntropy(backward, goal.backward, 0);
    parts.push(tf.mul(reduceRows(columns, has, reduction), weights.backward));
  }
  return (parts.length === 1 ? parts[0]! : tf.add(parts[0]!, parts[1]!)) as Reduced<R>;
}
