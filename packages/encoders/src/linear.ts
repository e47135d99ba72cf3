import { linear } from '@medalign/ops';
import { checkNumber } from '@medalign/similarity';
import type * as tf from '@tensorflow/tfjs-core';
import { Initialiser } from './initialise';
import { Module } from './module';

/**
 * An affine layer, `y = x · W + bias`, with PyTorch's initial values: uniform in ±1/√in for both.
 *
 * @example
 * const layer = new Linear(4, 2, { seed: 1 });
 * layer.apply(tf.ones([3, 4])).shape; // [3, 2]
 * layer.dispose();
 */
export class Linear extends Module {
  readonly weight: tf.Variable;
  readonly bias: tf.Variable | undefined;

  /**
   * @param inputs width of the last axis of x.
   * @param outputs width of the result.
   * @param options `bias` (default true); `seed` of the initial values; `stddev`: normal weights and zero biases
   *   instead (BERT); `initialiser` when the layer is part of a model.
   */
  constructor(
    inputs: number,
    outputs: number,
    {
      bias = true,
      seed = 0,
      stddev,
      initialiser = new Initialiser(seed),
    }: { bias?: boolean; seed?: number; stddev?: number; initialiser?: Initialiser } = {},
  ) {
    super();
    checkNumber('inputs', inputs, { minimum: 1, integer: true });
    checkNumber('outputs', outputs, { minimum: 1, integer: true });
    const draw = (count: number) =>
      stddev === undefined ? initialiser.uniform(count, 1 / Math.sqrt(inputs)) : initialiser.normal(count, stddev);
    this.weight = this.add('weight', draw(inputs * outputs), [inputs, outputs], { layout: 'linear' });
    if (bias) this.bias = this.add('bias', stddev === undefined ? draw(outputs) : new Float32Array(outputs), [outputs]);
  }

  /** `[…, in]` → `[…, out]`. */
  apply(x: tf.Tensor): tf.Tensor {
    return linear(x, this.weight, { bias: this.bias });
  }
}
