import { checkNumber, OptionError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { checkNamesAndShapes, type OptimizerState } from './adam';
import type { NamedGradients, NamedParameters } from './gradients';

/**
 * Gradient descent with momentum, with PyTorch's numbers and state by parameter name.
 *
 *     g ← g + λw,   u ← μu + g  (u = g at a parameter's first step),   w ← w − ηu
 *
 * @param parameters the variables to move.
 * @param options `learningRate` η ≥ 0, `momentum` μ in [0, 1) (0: none), `weightDecay` λ ≥ 0.
 * @throws {OptionError} for a number outside its range.
 * @example
 * const w = tf.variable(tf.tensor1d([1, 2]));
 * const sgd = new Sgd(new Map([['w', w]]), { learningRate: 0.5 });
 * sgd.step(new Map([['w', tf.tensor1d([1, -2])]]));
 * w // [0.5, 3]
 */
export class Sgd {
  /** Step size used by the next `step`; set it from a schedule. */
  learningRate: number;
  readonly #parameters: NamedParameters;
  readonly #momentum: number;
  readonly #weightDecay: number;
  #velocities = new Map<string, tf.Tensor>();

  constructor(
    parameters: NamedParameters,
    { learningRate, momentum = 0, weightDecay = 0 }: { learningRate: number; momentum?: number; weightDecay?: number },
  ) {
    this.learningRate = checkNumber('learningRate', learningRate, { minimum: 0 });
    this.#momentum = checkNumber('momentum', momentum, { minimum: 0, maximum: 1 - Number.EPSILON });
    this.#weightDecay = checkNumber('weightDecay', weightDecay, { minimum: 0 });
    this.#parameters = parameters;
  }

  /**
   * Moves every parameter that has a gradient.
   *
   * @param gradients by parameter name; not disposed.
   * @throws {OptionError} if a name is not one of the parameters; {ShapeError} if a shape differs.
   */
  step(gradients: NamedGradients): void {
    checkNamesAndShapes('Sgd', this.#parameters, gradients);
    tf.tidy(() => {
      const scalar = once((value: number) => tf.scalar(value));
      for (const [name, gradient] of gradients) {
        const w = this.#parameters.get(name)!;
        const before = this.#velocities.get(name);
        const g = this.#weightDecay ? tf.add(gradient, tf.mul(w, scalar(this.#weightDecay))) : gradient;
        const velocity = before ? tf.add(tf.mul(before, scalar(this.#momentum)), g) : g;
        w.assign(tf.sub(w, tf.mul(velocity, scalar(this.learningRate))));
        if (this.#momentum) this.#velocities.set(name, tf.keep(tf.clone(velocity)));
        before?.dispose();
      }
    });
  }

  /** State for a checkpoint: tensors `<name>.momentum_buffer` (live: do not dispose) and the learning rate. */
  state(): OptimizerState {
    const tensors = new Map([...this.#velocities].map(([name, velocity]) => [`${name}.momentum_buffer`, velocity]));
    return { tensors, values: { learningRate: this.learningRate, steps: {} } };
  }

  /**
   * Takes over a saved state, replacing the present one. The given tensors are copied, not kept.
   *
   * @throws {OptionError} if a tensor's name is unknown; {ShapeError} if a shape differs.
   */
  loadState({ tensors, values }: OptimizerState): void {
    const suffix = '.momentum_buffer';
    const loaded = new Map<string, tf.Tensor>();
    for (const [key, tensor] of tensors) {
      if (!key.endsWith(suffix)) throw new OptionError(`Sgd.loadState: '${key}' does not end in ${suffix}`);
      loaded.set(key.slice(0, -suffix.length), tensor);
    }
    checkNamesAndShapes('Sgd.loadState', this.#parameters, loaded);
    const previous = this.#velocities;
    this.#velocities = new Map([...loaded].map(([name, tensor]) => [name, tf.keep(tf.clone(tensor))]));
    tf.dispose([...previous.values()]);
    this.learningRate = values.learningRate;
  }

  /** Frees the state; the parameters stay. */
  dispose(): void {
    tf.dispose([...this.#velocities.values()]);
    this.#velocities.clear();
  }
}

/** Remembers results by argument, so that every scalar is uploaded once per step and not once per parameter. */
function once<T>(make: (value: number) => T): (value: number) => T {
  const made = new Map<number, T>();
  return (value) => {
    const known = made.get(value);
    if (known !== undefined) return known;
    const fresh = make(value);
    made.set(value, fresh);
    return fresh;
  };
}
