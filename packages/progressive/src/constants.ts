import * as tf from '@tensorflow/tfjs-core';

/**
 * Runs `f` without recording it: what it returns is a constant for every gradient.
 *
 * tfjs-core has no stop-gradient. It does not record what runs inside a kernel, so `f` is marked as such. Reading the values
 * back would also cut the tape, at the price of a device synchronisation per call; `customGrad` with zero gradients would
 * not: a comparison of its result is still on the tape, and has no gradient.
 */
export function constant<T>(f: () => T): T {
  const { state } = tf.engine() as unknown as { state: { kernelDepth: number } };
  state.kernelDepth += 1;
  try {
    return f();
  } finally {
    state.kernelDepth -= 1;
  }
}

/** `x` along the first axes where the mask `[b, n]` is set, 0 elsewhere; the mask is read as a constant. */
export function keep<T extends tf.Tensor>(x: T, mask: tf.Tensor | undefined): T {
  if (!mask) return x;
  const condition = constant(() => tf.reshape(tf.notEqual(mask, 0), [...mask.shape, ...Array(x.rank - 2).fill(1)]));
  return tf.where(condition, x, 0) as T;
}
