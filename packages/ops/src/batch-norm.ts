import { checkGradients, checkNumber, checkShape, ShapeError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { asRows, columnSums } from './columns';
import { runKernel, withGradient } from './kernel';

/**
 * Batch normalisation with the statistics of the batch (training).
 *
 * With mean μ_c and population variance σ²_c of channel c over the `n` positions of every other axis:
 *
 *     y = (x − μ_c) / √(σ²_c + ε) · scale_c + offset_c
 *
 * As in PyTorch the batch is normalised with the population variance, while the running average is fed with the
 * unbiased one, σ² · n / (n − 1). Mean and variance are returned for that update and carry no gradient; the gradient
 * of `output` does go through them.
 *
 * @param x `[…, c]`, channels last.
 * @param scale `[c]`.
 * @param offset `[c]`.
 * @param options `epsilon` ε, default 1e-5.
 * @returns `output`, the shape of `x`; `mean` `[c]` and unbiased `variance` `[c]` of this batch.
 * @throws ShapeError if `scale` or `offset` is not `[c]`, or there is one value per channel (nothing to normalise with).
 * @example
 * const x = tf.tensor2d([[1], [3]]);
 * const { output, mean, variance } = batchNormTraining(x, tf.ones([1]), tf.zeros([1]));
 * await output.data(); // [-1, 1]
 * await mean.data(); // [2]
 * await variance.data(); // [2]
 * @see Ioffe, Szegedy 2015, arXiv 1502.03167
 */
export function batchNormTraining(
  x: tf.Tensor,
  scale: tf.Tensor,
  offset: tf.Tensor,
  { epsilon = 1e-5 }: { epsilon?: number } = {},
): { output: tf.Tensor; mean: tf.Tensor1D; variance: tf.Tensor1D } {
  checkChannels(x, { scale, offset });
  checkNumber('epsilon', epsilon, { minimum: 0 });
  checkGradients('batchNormTraining');
  const n = x.size / scale.size;
  if (n < 2) {
    throw new ShapeError(
      `x: expected more than one value per channel when training, got shape [${x.shape}]. Fix: a larger batch or image, or batchNormInference`,
    );
  }
  return tf.tidy(() => {
    const statistics: tf.Tensor[] = [];
    const y = withGradient(
      (save) => {
        const rows = asRows(x);
        const [value, mean, variance] = runKernel('MedalignBatchNorm', { x: rows, scale, offset }, { epsilon }, () =>
          forward(rows, scale, offset, epsilon),
        );
        statistics.push(tf.keep(mean!), tf.keep(tf.mul(variance!, n / (n - 1))));
        save([rows, scale, mean!, variance!]);
        return tf.reshape(value!, x.shape);
      },
      (dy, [rows, savedScale, mean, variance]) => {
        const dyRows = asRows(dy);
        const [dx, dScale, dOffset] = runKernel(
          'MedalignBatchNormGrad',
          { dy: dyRows, x: rows!, scale: savedScale!, mean: mean!, variance: variance! },
          { epsilon },
          () => backward(dyRows, rows as tf.Tensor2D, savedScale!, mean!, variance!, epsilon),
        );
        return [tf.reshape(dx!, x.shape), dScale!, dOffset!];
      },
      [x, scale, offset],
    );
    // Kept over the end of the forward function's scope; handed to the caller's scope here.
    const [mean, variance] = statistics.map((kept) => {
      const handle = tf.clone(kept);
      kept.dispose();
      return handle as tf.Tensor1D;
    });
    return { output: y, mean: mean!, variance: variance! };
  });
}

/**
 * Batch normalisation with given statistics (inference, or training with frozen statistics).
 *
 *     y = (x − mean_c) / √(variance_c + ε) · scale_c + offset_c
 *
 * @param x `[…, c]`, channels last.
 * @param scale `[c]`.
 * @param offset `[c]`.
 * @param options `mean` and `variance` `[c]`, constants (no gradient); `epsilon`, default 1e-5.
 * @returns the shape of `x`.
 * @throws ShapeError if one of the four is not `[c]`.
 * @example
 * const one = tf.ones([1]);
 * const x = tf.tensor2d([[5]]);
 * await batchNormInference(x, one, one, { mean: one, variance: tf.tensor1d([4]), epsilon: 0 }).data(); // [3]
 */
export function batchNormInference(
  x: tf.Tensor,
  scale: tf.Tensor,
  offset: tf.Tensor,
  { mean, variance, epsilon = 1e-5 }: { mean: tf.Tensor; variance: tf.Tensor; epsilon?: number },
): tf.Tensor {
  checkChannels(x, { scale, offset, mean, variance });
  checkNumber('epsilon', epsilon, { minimum: 0 });
  checkGradients('batchNormInference');
  return tf.tidy(() =>
    withGradient(
      (save) => {
        const reciprocalStd = tf.rsqrt(tf.add(variance, epsilon));
        const factor = tf.mul(scale, reciprocalStd);
        save([asRows(x), factor, mean, reciprocalStd]);
        return tf.add(tf.mul(x, factor), tf.sub(offset, tf.mul(mean, factor)));
      },
      (dy, [rows, factor, savedMean, reciprocalStd]) => {
        const dyRows = asRows(dy);
        const normalised = tf.mul(tf.sub(rows!, savedMean!), reciprocalStd!);
        return [tf.mul(dy, factor!), columnSums(tf.mul(dyRows, normalised) as tf.Tensor2D), columnSums(dyRows)];
      },
      [x, scale, offset],
    ),
  );
}

function forward(x: tf.Tensor2D, scale: tf.Tensor, offset: tf.Tensor, epsilon: number): tf.Tensor[] {
  const n = x.shape[0];
  const mean = tf.div(columnSums(x), n);
  const centred = tf.sub(x, mean) as tf.Tensor2D;
  const variance = tf.div(columnSums(tf.square(centred)), n);
  const factor = tf.mul(scale, tf.rsqrt(tf.add(variance, epsilon)));
  return [tf.add(tf.mul(centred, factor), offset), mean, variance];
}

function backward(
  dy: tf.Tensor2D,
  x: tf.Tensor2D,
  scale: tf.Tensor,
  mean: tf.Tensor,
  variance: tf.Tensor,
  epsilon: number,
): tf.Tensor[] {
  const n = x.shape[0];
  const reciprocalStd = tf.rsqrt(tf.add(variance, epsilon));
  const centred = tf.sub(x, mean);
  const dOffset = columnSums(dy);
  const dScale = tf.mul(columnSums(tf.mul(dy, centred)), reciprocalStd);
  // dx = scale·r (dy − mean(dy) − x̂·mean(dy·x̂)), with the constants of each channel gathered first: three passes.
  const factor = tf.mul(scale, reciprocalStd);
  const along = tf.div(tf.mul(tf.mul(factor, reciprocalStd), dScale), n);
  const constant = tf.div(tf.mul(factor, dOffset), n);
  const dx = tf.sub(tf.sub(tf.mul(dy, factor), tf.mul(centred, along)), constant);
  return [dx, dScale, dOffset];
}

function checkChannels(x: tf.Tensor, perChannel: Record<string, tf.Tensor>): void {
  const sizes = new Map();
  for (const [name, tensor] of Object.entries(perChannel)) checkShape(name, tensor, 'c', sizes);
  const channels = perChannel.scale!.size;
  if (x.rank < 2 || x.shape[x.rank - 1] !== channels) {
    throw new ShapeError(
      `x: expected shape […, ${channels}], channels last, for a scale of [${channels}], got [${x.shape}]`,
    );
  }
}
