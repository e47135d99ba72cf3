import * as tf from '@tensorflow/tfjs-core';

/**
 * The wasm engine's pooling keeps one float32 per channel on a stack of 64 kB and destroys its heap when that overflows
 * (seen at 16,384 channels); a quarter of it is ours.
 */
const POOLED_CHANNELS = 4096;

/** `[…, d]` as `[n, d]`: a view, no copy. */
export function asRows(x: tf.Tensor): tf.Tensor2D {
  const columns = x.shape[x.rank - 1]!;
  return tf.reshape(x, [x.size / columns, columns]);
}

/**
 * Sum of every column, `[n, d]` → `[d]`.
 *
 * The wasm engine transposes the whole tensor before it reduces a leading axis (48 ms for 131072×32); its average
 * pooling reads the same numbers in place in 5 ms. The rows are folded to about √n first, at no cost, so that no
 * float32 sum is longer than that. (A product with a row of ones would have to pack the whole tensor: 77 ms.)
 */
export function columnSums(x: tf.Tensor2D): tf.Tensor1D {
  const [n, d] = x.shape;
  if (tf.getBackend() !== 'wasm' || d > POOLED_CHANNELS) return tf.sum(x, 0);
  let fold = 1;
  while (n % (2 * fold) === 0 && 4 * fold * fold <= n && 2 * fold * d <= POOLED_CHANNELS) fold *= 2;
  const means = fold === 1 ? columnMeans(x, n, d) : columnMeans(columnMeans(x, n / fold, fold * d), fold, d);
  return tf.mul(tf.reshape(means, [d]), n);
}

const columnMeans = (x: tf.Tensor, n: number, d: number): tf.Tensor =>
  tf.avgPool(tf.reshape(x, [1, n, 1, d]) as tf.Tensor4D, [n, 1], 1, 'valid');
