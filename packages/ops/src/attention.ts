import { checkGradients, checkNumber, checkShape, ShapeError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { dropout, dropoutAttributes } from './dropout';
import { runKernel, withGradient } from './kernel';

type AttentionOptions = { mask?: tf.Tensor; scale?: number };

/** Far below any logit, yet finite: a row of −∞ alone would be NaN after softmax. */
const MASKED = -1e30;

/**
 * Scaled dot-product attention over several heads.
 *
 *     A = softmax_m(scale · q kᵀ)   over the valid keys,        output = A v
 *
 * A query without any valid key gets 0. Places that are masked out may hold anything, NaN included, when the mask is per key.
 *
 * @param q queries `[b, h, n, e]`.
 * @param k keys `[b, h, m, e]`.
 * @param v values `[b, h, m, f]`.
 * @param options `mask` 0/1 (1 = valid), `[b, m]` per key or anything that broadcasts to `[b, h, n, m]`; `scale`, default
 *   1/√e; `dropout` `{ rate, seed, step }` on the attention weights.
 * @returns `[b, h, n, f]`.
 * @throws ShapeError naming the argument that does not fit.
 * @example
 * const q = tf.tensor4d([1, 0], [1, 1, 1, 2]);
 * const k = tf.tensor4d([1, 0, 0, 1], [1, 1, 2, 2]);
 * await scaledDotProductAttention(q, k, k, { scale: 1 }).data(); // [0.7311, 0.2689]
 * await scaledDotProductAttention(q, k, k, { mask: tf.tensor2d([[0, 1]]) }).data(); // [0, 1]
 * @see Vaswani et al. 2017, arXiv 1706.03762, Eq 1
 */
export function scaledDotProductAttention(
  q: tf.Tensor,
  k: tf.Tensor,
  v: tf.Tensor,
  { mask, scale, dropout: drop }: AttentionOptions & { dropout?: { rate: number; seed: number; step?: number } } = {},
): tf.Tensor {
  const sizes = checkShape('q', q, 'b h n e');
  checkShape('k', k, 'b h m e', sizes);
  checkShape('v', v, 'b h m f', sizes);
  checkGradients('scaledDotProductAttention');
  const factor = checkNumber('scale', scale ?? 1 / Math.sqrt(q.shape[3]!));
  return tf.tidy(() => {
    const full = mask && expandMask(mask, q, k);
    const drops = drop !== undefined && drop.rate > 0;
    const attributes = { scale: factor, ...(drops && dropoutAttributes(drop)) };
    // The mask is a function of its position alone, so backward makes it again.
    const dropped = (weights: tf.Tensor) => (drops ? dropout(weights, drop) : weights);
    const inputs = { q, k, v, ...(full && { mask: full }) };
    return withGradient(
      (save) => {
        const [output, state] = runKernel('MedalignAttention', inputs, attributes, () => {
          const [keys, values] = perKey(mask) ? [clearMasked(k, full!), clearMasked(v, full!)] : [k, v];
          const weights = softmaxOverKeys(q, keys, full, { scale: factor, clean: perKey(mask) });
          return [tf.matMul(dropped(weights), values), weights];
        });
        save([q, k, v, output!, state!, ...(full ? [full] : [])]);
        return output!;
      },
      (dy, [savedQ, savedK, savedV, output, state, savedMask]) => {
        const saved = { dy, q: savedQ!, k: savedK!, v: savedV!, output: output!, state: state! };
        const all = savedMask ? { ...saved, mask: savedMask } : saved;
        return runKernel('MedalignAttentionGrad', all, attributes, () => {
          const clean = (x: tf.Tensor) => (perKey(mask) ? clearMasked(x, savedMask!) : x);
          const weights = state!;
          const dWeights = dropped(tf.matMul(dy, clean(savedV!), false, true));
          const weighted = tf.mul(dWeights, weights);
          const dLogits = tf.mul(tf.sub(weighted, tf.mul(weights, tf.sum(weighted, -1, true))), factor);
          return [
            tf.matMul(dLogits, clean(savedK!)),
            tf.matMul(dLogits, savedQ!, true, false),
            tf.matMul(dropped(weights), dy, true, false),
          ];
        });
      },
      [q, k, v],
    );
  });
}

/**
 * The attention weights alone, for looking at them or for building another attention on them.
 *
 *     A = softmax_m(scale · q kᵀ)   over the valid keys; 0 everywhere for a query without one
 *
 * @param q queries `[b, h, n, e]`.
 * @param k keys `[b, h, m, e]`.
 * @param options `mask` and `scale` as in `scaledDotProductAttention`.
 * @returns `[b, h, n, m]`.
 * @throws ShapeError naming the argument that does not fit.
 * @example
 * const q = tf.tensor4d([1, 0], [1, 1, 1, 2]);
 * const k = tf.tensor4d([1, 0, 0, 1], [1, 1, 2, 2]);
 * await attentionWeights(q, k, { scale: 1 }).data(); // [0.7311, 0.2689]
 */
export function attentionWeights(q: tf.Tensor, k: tf.Tensor, { mask, scale }: AttentionOptions = {}): tf.Tensor {
  const sizes = checkShape('q', q, 'b h n e');
  checkShape('k', k, 'b h m e', sizes);
  checkGradients('attentionWeights');
  const factor = checkNumber('scale', scale ?? 1 / Math.sqrt(q.shape[3]!));
  return tf.tidy(() => {
    const full = mask && expandMask(mask, q, k);
    const keys = perKey(mask) ? clearMasked(k, full!) : k;
    return withGradient(
      (save) => {
        const weights = softmaxOverKeys(q, keys, full, { scale: factor, clean: perKey(mask) });
        save([q, keys, weights]);
        return weights;
      },
      (dy, [savedQ, savedK, weights]) => {
        const weighted = tf.mul(dy, weights!);
        const dLogits = tf.mul(tf.sub(weighted, tf.mul(weights!, tf.sum(weighted, -1, true))), factor);
        return [tf.matMul(dLogits, savedK!), tf.matMul(dLogits, savedQ!, true, false)];
      },
      [q, keys],
    );
  });
}

const perKey = (mask?: tf.Tensor) => mask?.rank === 2;

/** @param options `clean`: a mask per key, whose keys were cleared, so that every logit is finite */
function softmaxOverKeys(
  q: tf.Tensor,
  k: tf.Tensor,
  mask: tf.Tensor | undefined,
  { scale, clean }: { scale: number; clean: boolean },
): tf.Tensor {
  const logits = tf.matMul(tf.mul(q, scale), k, false, true);
  if (!mask) return tf.softmax(logits);
  if (clean) {
    // sums and products broadcast, where `where` would need the mask in full
    const valid = tf.cast(tf.notEqual(tf.cast(mask, 'float32'), 0), 'float32');
    const weights = tf.softmax(tf.add(logits, tf.mul(tf.sub(1, valid), MASKED)));
    return tf.mul(weights, valid);
  }
  const valid = tf.broadcastTo(tf.cast(mask, 'bool'), logits.shape);
  const weights = tf.softmax(tf.where(valid, logits, tf.fill(logits.shape, MASKED)));
  return tf.where(valid, weights, tf.zerosLike(weights));
}

/** Zeros at masked keys, by `where`: NaN · 0 is NaN. `mask` is [b, 1, 1, m]. */
function clearMasked(x: tf.Tensor, mask: tf.Tensor): tf.Tensor {
  const [b, , , m] = mask.shape as [number, number, number, number];
  const valid = tf.broadcastTo(tf.cast(tf.reshape(mask, [b, 1, m, 1]), 'bool'), x.shape);
  return tf.where(valid, x, tf.zerosLike(x));
}

function expandMask(mask: tf.Tensor, q: tf.Tensor, k: tf.Tensor): tf.Tensor {
  const [b, h, n] = q.shape as [number, number, number, number];
  const m = k.shape[2]!;
  if (mask.rank === 2 && mask.shape[0] === b && mask.shape[1] === m) return tf.reshape(mask, [b, 1, 1, m]);
  const full = [b, h, n, m];
  if (mask.rank === 4 && mask.shape.every((size, axis) => size === 1 || size === full[axis])) return tf.clone(mask);
  throw new ShapeError(`mask: expected shape [${b}, ${m}] or one that broadcasts to [${full}], got [${mask.shape}]`);
}
