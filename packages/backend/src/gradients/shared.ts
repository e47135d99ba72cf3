import * as tf from '@tensorflow/tfjs-core';

/** A gradient as `tf.registerGradient` takes it, with the types it has in fact. */
export interface Gradient {
  kernelName: string;
  inputsToSave?: string[];
  outputsToSave?: boolean[];
  gradFunc: (dy: tf.Tensor, saved: tf.Tensor[], attrs: Record<string, unknown>) => Record<string, () => tf.Tensor>;
}

/** Copies along axes of size 1 until the shape is reached, on the device. */
export function expandTo(x: tf.Tensor, shape: number[]): tf.Tensor {
  const reps = shape.map((size, axis) => (x.shape[axis] === size ? 1 : size));
  return reps.every((n) => n === 1) ? tf.reshape(x, shape) : tf.tile(x, reps);
}

/** Sums what broadcasting copied: the gradient of an input of that shape from a gradient of the output's shape. */
export function sumTo(gradient: tf.Tensor, shape: number[]): tf.Tensor {
  const axes = tf.broadcast_util.getReductionAxes(shape, gradient.shape);
  return tf.reshape(axes.length ? tf.sum(gradient, axes) : gradient, shape);
}
