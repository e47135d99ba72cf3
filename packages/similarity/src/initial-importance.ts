import * as tf from '@tensorflow/tfjs-core';
import { keepWhere } from './masking';
import type { ScalarLike } from './pairwise';

/**
 * Mean + factor · std of a similarity matrix along one axis (PLAN Eq 5), population std with 1e-6 under the root.
 *
 * The gradient is written out, because these passes over `[b, l, p]` are most of what co-importance costs:
 * ∂mean/∂S_j = 1/n and ∂std/∂S_j = (S_j − mean) / (n · std).
 *
 * @param S `[b, l, p]`, 0 at invalid pairs
 * @param axis 2: over pixels, for words; 1: over words, for pixels
 * @param factor α or β
 * @param count n: a number, or `[b, 1]`
 * @param valid `rows`: what there is a result for; `counted`: which entries along the axis count, undefined for all
 */
export function initialImportance(
  S: tf.Tensor,
  axis: 1 | 2,
  factor: ScalarLike,
  count: number | tf.Tensor,
  { rows, counted }: { rows: tf.Tensor | undefined; counted: tf.Tensor | undefined },
): tf.Tensor2D {
  const average = (x: tf.Tensor) => tf.div(tf.sum(x, axis), count);
  return tf.customGrad((s, k, save) => {
    const [value, centred, std] = tf.tidy(() => {
      const mean = average(s as tf.Tensor);
      // S is clean, so a product can mask: it broadcasts, where `where` would need the mask of every pair
      const difference = tf.sub(s as tf.Tensor, tf.expandDims(mean, axis));
      const around = counted ? tf.mul(difference, tf.expandDims(tf.cast(counted, 'float32'), 3 - axis)) : difference;
      const deviation = tf.sqrt(tf.add(average(tf.square(around)), 1e-6));
      return [keepWhere(rows, tf.add(mean, tf.mul(deviation, k as tf.Tensor))), around, deviation];
    }) as [tf.Tensor, tf.Tensor, tf.Tensor];
    // the caller's scope is gone when the gradient is computed: what it needs is saved, masks and counts too
    const kept = [centred, std, k as tf.Tensor, typeof count === 'number' ? tf.scalar(count) : count];
    (save as unknown as tf.GradSaveFunc)(rows ? [...kept, rows] : kept);
    return { value, gradFunc: backward };
  })(S, typeof factor === 'number' ? tf.scalar(factor) : factor) as tf.Tensor2D;

  function backward(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
    return tf.tidy(() => {
      const [centred, std, k, n, on] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor | undefined];
      const given = keepWhere(on, dy);
      const perEntry = tf.div(given, n);
      const slope = tf.div(tf.mul(perEntry, k), std);
      const dS = tf.add(tf.mul(centred, tf.expandDims(slope, axis)), tf.expandDims(perEntry, axis));
      return [dS, tf.reshape(tf.sum(tf.mul(given, std)), k.shape)];
    });
  }
}
