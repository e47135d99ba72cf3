import { checkShape } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import {
  asScalar,
  asTemperature,
  blockSizes,
  checkChunkSize,
  checkReduction,
  type Learnable,
  type Reduced,
  type Reduction,
} from './options';
import { softplus } from './softplus';
import { unitRows } from './unit-rows';

/** Options of {@link sigmoidContrastive}. */
export interface SigmoidContrastiveOptions<R extends Reduction = Reduction> {
  temperature?: Learnable;
  bias?: Learnable;
  normalize?: boolean;
  chunkSize?: number;
  reduction?: R;
}

/**
 * Pairwise sigmoid loss (SigLIP).
 *
 * With unit rows u_i (image) and v_j (text), z_ij = ⟨u_i, v_j⟩/τ + b, and s_ij = +1 if i = j else −1:
 *
 *     L = −(1/n) Σ_i Σ_j log sigmoid(s_ij · z_ij)
 *
 * No softmax ties the pairs together, so a block of rows is complete by itself: `chunkSize` bounds memory at no cost but
 * computing the logits again in the backward pass. The gradient is analytic and needs none registered with tfjs-core.
 *
 * @param image `[n, d]` embeddings, any norm (normalised here).
 * @param text `[n, d]`; row i describes image i.
 * @param options `temperature` τ = 1/t, default 0.1; `bias` b, default −10; both a number or a scalar tensor (gradient
 *   flows); `normalize`; `chunkSize` images per block, default all; `reduction`.
 * @returns scalar for "mean" (divided by n, not by n²) and "sum"; `[n]`, one per image, for "none".
 * @throws {ShapeError} if the shapes differ.
 * @example
 * const x = tf.tensor2d([[1, 0], [0, 1]]);
 * await sigmoidContrastive(x, x, { temperature: 1, bias: 0 }).data(); // 1.0064
 * @see Zhai et al. 2023, arXiv 2303.15343
 */
export function sigmoidContrastive<R extends Reduction = 'mean'>(
  image: tf.Tensor,
  text: tf.Tensor,
  {
    temperature = 0.1,
    bias = -10,
    normalize = true,
    chunkSize,
    reduction = 'mean' as R,
  }: SigmoidContrastiveOptions<R> = {},
): Reduced<R> {
  checkShape('text', text, 'n d', checkShape('image', image, 'n d'));
  checkReduction(reduction);
  const rows = checkChunkSize(chunkSize, image.shape[0]);
  return tf.tidy(() => {
    const scalars = [asTemperature('temperature', temperature), asScalar('bias', bias)] as const;
    const [u, v] = normalize ? [unitRows(image), unitRows(text)] : [image, text];
    return ofUnitRows(u, v, ...scalars, rows, reduction) as Reduced<R>;
  });
}

function ofUnitRows(
  u: tf.Tensor,
  v: tf.Tensor,
  temperature: tf.Scalar,
  bias: tf.Scalar,
  chunkSize: number,
  reduction: Reduction,
): tf.Tensor {
  const n = u.shape[0];
  const sizes = blockSizes(n, chunkSize);
  const rowsOf = (x: tf.Tensor, k: number) => tf.slice(x, [k * chunkSize, 0], [sizes[k]!, x.shape[1]!]);
  const logits = (block: tf.Tensor, b: tf.Tensor, c: tf.Tensor) => tf.add(tf.matMul(block, b, false, true), c);

  return tf.customGrad((...inputs) => {
    const [a, b, t, c, save] = inputs as unknown as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    save([a, b, t, c]);
    const parts = sizes.map((size, k) =>
      tf.tidy(() => {
        const z = logits(tf.div(rowsOf(a, k), t), b, c);
        const start = k * chunkSize;
        const isPair = tf.equal(
          tf.expandDims(tf.range(start, start + size, 1, 'float32'), 1),
          tf.expandDims(tf.range(0, n, 1, 'float32'), 0),
        );
        return tf.sum(softplus(tf.where(isPair, tf.neg(z), z)), 1);
      }),
    );
    const rows = tf.concat(parts, 0);
    const value = reduction === 'none' ? rows : tf.div(tf.sum(rows), reduction === 'mean' ? n : 1);
    return { value, gradFunc: (dy, saved) => tf.tidy(() => gradients(dy, saved as tf.Tensor[])) };
  })(u, v, temperature, bias);

  // dL/dz_ij = f_i (sigmoid(z_ij) − [i = j]); the diagonal is subtracted as rows, not as an n × n matrix
  function gradients(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
    const [a, b, t, c] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    const f =
      reduction === 'none' ? tf.reshape(dy, [n, 1]) : tf.broadcastTo(tf.div(dy, reduction === 'mean' ? n : 1), [n, 1]);
    const scaled = tf.div(a, t);
    let db: tf.Tensor | undefined;
    const biasParts: tf.Tensor[] = [];
    const parts = sizes.map((_, k) => {
      const [da, dbNext, dc] = tf.tidy(() => {
        const block = rowsOf(scaled, k);
        const dz = tf.mul(rowsOf(f, k), tf.sigmoid(logits(block, b, c)));
        const dbHere = tf.matMul(dz, block, true, false);
        return [tf.matMul(dz, b), db ? tf.add(db, dbHere) : dbHere, tf.sum(dz)];
      });
      if (db) tf.dispose(db);
      db = dbNext;
      biasParts.push(dc!);
      return da!;
    });
    const da = tf.div(tf.sub(tf.concat(parts, 0), tf.mul(f, b)), t);
    const dt = tf.neg(tf.div(tf.sum(tf.mul(da, a)), t));
    const dc = tf.sub(tf.sum(tf.stack(biasParts)), tf.sum(f));
    return [da, tf.sub(db!, tf.mul(f, scaled)), dt, dc];
  }
}
