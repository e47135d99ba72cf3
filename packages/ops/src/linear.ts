import { checkGradients, checkShape, ShapeError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { asRows, columnSums } from './columns';
import { runKernel, withGradient } from './kernel';

/**
 * Affine map of the last axis.
 *
 *     y = x · W + bias
 *
 * @param x `[…, in]`, any rank ≥ 1.
 * @param weight `[in, out]` (vectors are rows; a PyTorch weight is the transpose).
 * @param options `bias` `[out]`, none by default.
 * @returns `[…, out]`.
 * @throws ShapeError if the last axis of `x` is not the first of `weight`, or `bias` is not `[out]`.
 * @example
 * const x = tf.tensor2d([[1, 2]]);
 * const weight = tf.tensor2d([[1, 0, 2], [0, 1, 3]]);
 * await linear(x, weight, { bias: tf.tensor1d([10, 20, 30]) }).data(); // [11, 22, 38]
 */
export function linear(x: tf.Tensor, weight: tf.Tensor, { bias }: { bias?: tf.Tensor } = {}): tf.Tensor {
  const sizes = checkShape('weight', weight, 'in out');
  if (x.rank === 0 || x.shape[x.rank - 1] !== weight.shape[0]) {
    throw new ShapeError(
      `x: expected shape […, ${weight.shape[0]}] for a weight of [${weight.shape}], got [${x.shape}]`,
    );
  }
  if (bias) checkShape('bias', bias, 'out', sizes);
  checkGradients('linear');
  return tf.tidy(() => {
    const rows = asRows(x);
    const y = withGradient(
      (save) => {
        save([rows, weight]);
        return runKernel('MedalignLinear', { x: rows, weight, ...(bias && { bias }) }, {}, () => {
          const product = tf.matMul(rows, weight as tf.Tensor2D);
          return [bias ? tf.add(product, bias) : product];
        })[0]!;
      },
      (dy, [savedRows, savedWeight]) =>
        runKernel(
          'MedalignLinearGrad',
          { dy, x: savedRows!, weight: savedWeight! },
          { bias: bias !== undefined },
          () => [
            tf.matMul(dy, savedWeight!, false, true),
            tf.matMul(savedRows!, dy, true, false),
            ...(bias ? [columnSums(dy as tf.Tensor2D)] : []),
          ],
        ),
      bias ? [rows, weight, bias] : [rows, weight],
    );
    return tf.reshape(y, [...x.shape.slice(0, -1), weight.shape[1]!]);
  });
}
