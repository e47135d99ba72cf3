import { checkChoice, checkNumber, OptionError, ShapeError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';

/** A number, or a scalar tensor or Variable that the gradient flows to. */
export type Learnable = number | tf.Tensor;

/** How the values per row become the result. */
export type Reduction = 'mean' | 'sum' | 'none';

/** What a loss returns: one value per row for `'none'`, else a scalar. */
export type Reduced<R extends Reduction> = R extends 'none' ? tf.Tensor1D : tf.Scalar;

/** Which directions count, and how much: `'forward'` is image → text; an object gives both weights. */
export type Directions = 'mean' | 'sum' | 'forward' | { forward: number; backward: number };

export const checkReduction = (reduction: Reduction) => checkChoice('reduction', reduction, ['mean', 'sum', 'none']);

/** The weights of the two directions. */
export function directionWeights(directions: Directions): { forward: number; backward: number } {
  if (typeof directions === 'object' && directions !== null) {
    const forward = checkNumber('directions.forward', directions.forward, { minimum: 0 });
    const backward = checkNumber('directions.backward', directions.backward, { minimum: 0 });
    if (forward + backward === 0) throw new OptionError('directions: expected a weight above 0, got 0 for both');
    return { forward, backward };
  }
  checkChoice('directions', directions, ['mean', 'sum', 'forward']);
  if (directions === 'forward') return { forward: 1, backward: 0 };
  return directions === 'sum' ? { forward: 1, backward: 1 } : { forward: 0.5, backward: 0.5 };
}

/** A scalar tensor of a number or of a scalar tensor. Numbers are checked; tensors are not read back. */
export function asScalar(option: string, value: Learnable, bounds: { above?: number } = {}): tf.Scalar {
  if (value instanceof tf.Tensor) {
    if (value.rank !== 0) {
      throw new ShapeError(`${option}: expected a number or a scalar tensor, got shape [${value.shape.join(', ')}]`);
    }
    return value as tf.Scalar;
  }
  return tf.scalar(checkNumber(option, value, bounds));
}

/** A temperature: a number above 0, or a scalar tensor. */
export const asTemperature = (option: string, value: Learnable) => asScalar(option, value, { above: 0 });

/** Rows or images per block. */
export function checkChunkSize(chunkSize: number | undefined, total: number): number {
  if (chunkSize === undefined) return total;
  return Math.min(total, checkNumber('chunkSize', chunkSize, { minimum: 1, integer: true }));
}

/** Sizes of the blocks that `total` rows fall into. */
export const blockSizes = (total: number, chunkSize: number): number[] =>
  Array.from({ length: Math.ceil(total / chunkSize) }, (_, i) => Math.min(chunkSize, total - i * chunkSize));

/**
 * Refuses a mask that is 0 everywhere: no pair is left to learn from, and a silent 0 would hide a broken loader.
 * Reads the mask back, so it costs one synchronisation on a GPU.
 */
export function checkAnyOn(argument: string, on: tf.Tensor, what: string): void {
  const any = tf.tidy(() => constantAny(on).dataSync()[0]);
  if (!any) throw new OptionError(`${argument}: expected at least one ${what} in the batch, got none; skip this batch`);
}

const constantAny = (on: tf.Tensor) => tf.max(tf.cast(on, 'int32'));
