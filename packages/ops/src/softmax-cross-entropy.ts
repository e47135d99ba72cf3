import { checkChoice, checkGradients, checkNumber, checkShape } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { runKernel, withGradient } from './kernel';

/**
 * Cross-entropy of a softmax against class indices or target distributions.
 *
 * With logits z_i and targets t_i (a one-hot row for an index; smoothed to (1 − s) t + s/c):
 *
 *     L_i = Σ_j t_ij (log Σ_k exp z_ik − z_ij)
 *
 * Both logits and target distributions get a right gradient (tfjs's `losses.softmaxCrossEntropy` has a wrong one for labels).
 *
 * @param logits `[n, c]`.
 * @param labels int32 `[n]` class indices, or float32 `[n, c]` targets.
 * @param options `mask` `[n]` 0/1, rows that count; `labelSmoothing` s in [0, 1); `reduction`: 'mean' divides by the
 *   rows that count.
 * @returns scalar for 'mean' and 'sum', `[n]` for 'none' (masked rows are 0).
 * @throws ShapeError if the shapes do not fit.
 * @example
 * const logits = tf.tensor2d([[0, 0], [0, 1]]);
 * await softmaxCrossEntropy(logits, tf.tensor1d([0, 1], 'int32'), { reduction: 'none' }).data(); // [0.6931, 0.3133]
 */
export function softmaxCrossEntropy(
  logits: tf.Tensor,
  labels: tf.Tensor,
  {
    mask,
    labelSmoothing = 0,
    reduction = 'mean',
  }: { mask?: tf.Tensor; labelSmoothing?: number; reduction?: 'mean' | 'sum' | 'none' } = {},
): tf.Tensor {
  const sizes = checkShape('logits', logits, 'n c');
  const indices = labels.dtype === 'int32';
  checkShape('labels', labels, indices ? 'n' : 'n c', sizes);
  if (mask) checkShape('mask', mask, 'n', sizes);
  checkNumber('labelSmoothing', labelSmoothing, { minimum: 0, maximum: 0.999999 });
  checkChoice('reduction', reduction, ['mean', 'sum', 'none']);
  checkGradients('softmaxCrossEntropy');
  const c = logits.shape[1]!;
  return tf.tidy(() => {
    const oneHot = indices ? tf.cast(tf.oneHot(labels as tf.Tensor1D, c), 'float32') : labels;
    const targets = labelSmoothing ? tf.add(tf.mul(oneHot, 1 - labelSmoothing), labelSmoothing / c) : oneHot;
    const rows = rowLosses(logits, targets);
    const counted = mask ? tf.where(tf.cast(mask, 'bool'), rows, tf.zerosLike(rows)) : rows;
    if (reduction === 'none') return counted;
    if (reduction === 'sum') return tf.sum(counted);
    return mask ? tf.div(tf.sum(counted), tf.maximum(tf.sum(mask), 1)) : tf.mean(counted);
  });
}

function rowLosses(logits: tf.Tensor, targets: tf.Tensor): tf.Tensor {
  return withGradient(
    (save) => {
      const [loss, softmax] = runKernel('MedalignSoftmaxCrossEntropy', { logits, labels: targets }, {}, () => {
        const shifted = tf.sub(logits, tf.max(logits, 1, true));
        const logSums = tf.log(tf.sum(tf.exp(shifted), 1, true));
        // A target of 0 must not turn a logit of −∞ into NaN.
        const terms = tf.where(tf.equal(targets, 0), tf.zerosLike(shifted), tf.mul(targets, tf.sub(logSums, shifted)));
        return [tf.sum(terms, 1), tf.softmax(logits)];
      });
      save([logits, targets, softmax!]);
      return loss!;
    },
    (dy, [savedLogits, savedTargets, softmax]) => {
      const column = tf.reshape(dy, [-1, 1]);
      const toLogits = tf.mul(tf.sub(tf.mul(softmax!, tf.sum(savedTargets!, 1, true)), savedTargets!), column);
      const shifted = tf.sub(savedLogits!, tf.logSumExp(savedLogits!, 1, true));
      return [toLogits, tf.mul(tf.neg(shifted), column)];
    },
    [logits, targets],
  );
}
