import { checkGradients, checkNumber, checkShape, ShapeError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { asRows, columnSums } from './columns';
import { runKernel, withGradient } from './kernel';

/**
 * Layer normalisation of the last axis.
 *
 * With mean μ and population variance σ² of each row of `d` values:
 *
 *     y = (x − μ) / √(σ² + ε) · scale + offset
 *
 * @param x `[…, d]`.
 * @param scale `[d]` (`weight` in PyTorch).
 * @param offset `[d]` (`bias` in PyTorch).
 * @param options `epsilon` ε, default 1e-5 (BERT uses 1e-12).
 * @returns the shape of `x`.
 * @throws ShapeError if `scale` or `offset` is not `[d]`.
 * @example
 * const x = tf.tensor2d([[1, 2, 3]]);
 * await layerNorm(x, tf.ones([3]), tf.zeros([3])).data(); // [-1.2247, 0, 1.2247]
 * @see Ba, Kiros, Hinton 2016, arXiv 1607.06450
 */
export function layerNorm(
  x: tf.Tensor,
  scale: tf.Tensor,
  offset: tf.Tensor,
  { epsilon = 1e-5 }: { epsilon?: number } = {},
): tf.Tensor {
  const sizes = checkShape('scale', scale, 'd');
  checkShape('offset', offset, 'd', sizes);
  if (x.shape[x.rank - 1] !== scale.shape[0]) {
    throw new ShapeError(`x: expected shape […, ${scale.shape[0]}] for a scale of [${scale.shape}], got [${x.shape}]`);
  }
  checkNumber('epsilon', epsilon, { minimum: 0 });
  checkGradients('layerNorm');
  return tf.tidy(() => {
    const rows = asRows(x);
    const y = withGradient(
      (save) => {
        const [value, mean, reciprocalStd] = runKernel(
          'MedalignLayerNorm',
          { x: rows, scale, offset },
          { epsilon },
          () => forward(rows, scale, offset, epsilon),
        );
        save([rows, scale, mean!, reciprocalStd!]);
        return value!;
      },
      (dy, [savedX, savedScale, mean, reciprocalStd]) =>
        runKernel(
          'MedalignLayerNormGrad',
          { dy, x: savedX!, scale: savedScale!, mean: mean!, reciprocalStd: reciprocalStd! },
          {},
          () => backward(dy, savedX!, savedScale!, mean!, reciprocalStd!),
        ),
      [rows, scale, offset],
    );
    return tf.reshape(y, x.shape);
  });
}

function forward(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: number): tf.Tensor[] {
  const mean = tf.mean(x, 1, true);
  const centred = tf.sub(x, mean);
  const reciprocalStd = tf.rsqrt(tf.add(tf.mean(tf.square(centred), 1, true), epsilon));
  return [tf.add(tf.mul(tf.mul(centred, reciprocalStd), scale), offset), mean, reciprocalStd];
}

function backward(
  dy: tf.Tensor,
  x: tf.Tensor,
  scale: tf.Tensor,
  mean: tf.Tensor,
  reciprocalStd: tf.Tensor,
): tf.Tensor[] {
  const normalised = tf.mul(tf.sub(x, mean), reciprocalStd);
  const g = tf.mul(dy, scale);
  const along = tf.mul(normalised, tf.mean(tf.mul(g, normalised), 1, true));
  const dx = tf.mul(tf.sub(tf.sub(g, tf.mean(g, 1, true)), along), reciprocalStd);
  return [dx, columnSums(tf.mul(dy, normalised) as tf.Tensor2D), columnSums(dy as tf.Tensor2D)];
}
