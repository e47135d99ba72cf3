import * as tf from '@tensorflow/tfjs-core';
import { checkGradients, checkNumber } from './checks';

/**
 * Unit vectors along one axis.
 *
 *     y = v / max(‖v‖₂, ε)
 *
 * The norm is computed as `√max(Σv², ε²)`, whose gradient at v = 0 is finite (that of v/ε, as in PyTorch's
 * `F.normalize`); `v / tf.norm(v)` has NaN there, in value and gradient.
 *
 * @param x tensor of any rank ≥ 1.
 * @param options `axis` (−1), `epsilon` ε > 0 (1e-12, the same as PyTorch).
 * @returns tensor of the same shape; vectors of zeros stay zeros.
 * @throws {OptionError} if `epsilon` is not above 0.
 * @example
 * await l2Normalize(tf.tensor2d([[3, 4], [0, 0]])).data(); // [0.6, 0.8, 0, 0]
 */
export function l2Normalize<T extends tf.Tensor>(
  x: T,
  { axis = -1, epsilon = 1e-12 }: { axis?: number; epsilon?: number } = {},
): T {
  checkGradients('l2Normalize');
  // below 1e-18 the square is not a normal float32 number any more
  checkNumber('epsilon', epsilon, { minimum: 1e-18 });
  return tf.tidy(() => {
    const squares = tf.sum(tf.square(x), axis, true);
    return tf.div(x, tf.sqrt(tf.maximum(squares, epsilon * epsilon))) as T;
  });
}
