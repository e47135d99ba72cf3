import { seededUniform } from '@medalign/ops';
import * as tf from '@tensorflow/tfjs-core';

/** Named variables whose initial values are a function of the seed and of the order they are asked for. */
export class Parameters {
  readonly all = new Map<string, tf.Variable>();
  private step = 0;

  constructor(private readonly seed: number) {}

  /** Uniform in ±bound. */
  uniform(name: string, shape: number[], bound: number): tf.Variable {
    const size = shape.reduce((a, b) => a * b, 1);
    const values = seededUniform(size, { seed: this.seed, step: this.step++ });
    return this.add(
      name,
      values.map((value) => (2 * value - 1) * bound),
      shape,
    );
  }

  filled(name: string, shape: number[], value: number): tf.Variable {
    return this.add(name, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value), shape);
  }

  private add(name: string, values: Float32Array, shape: number[]): tf.Variable {
    const variable = tf.tidy(() => tf.variable(tf.tensor(values, shape)));
    this.all.set(name, variable);
    return variable;
  }
}
