import { type AdamStepOptions, adamStep } from '@medalign/ops';
import { checkNumber, OptionError, ShapeError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import type { NamedGradients, NamedParameters } from './gradients';

/** What an optimiser needs to go on where it stopped: tensors by name, and plain JSON values. */
export type OptimizerState = {
  /** Live tensors of the optimiser: read them, do not dispose them. */
  tensors: Map<string, tf.Tensor>;
  values: { learningRate: number; steps: Record<string, number> };
};

/** Settings of {@link Adam}. */
export type AdamOptions = {
  /** Step size, > 0; can be changed between steps. */
  learningRate: number;
  /** Decay of the mean of gradients, 0 ≤ β₁ < 1. */
  beta1?: number;
  /** Decay of the mean of squared gradients, 0 ≤ β₂ < 1. */
  beta2?: number;
  /** Added to the square root. */
  epsilon?: number;
  /** λ for all parameters, or by name (biases and norms are often left out). */
  weightDecay?: number | ((name: string) => number);
  /** false: L2 penalty in the gradient (Adam); true: decay of the weights themselves (AdamW). */
  decoupled?: boolean;
};

type Moments = { mean: tf.Tensor; square: tf.Tensor; steps: number };

/**
 * Adam and AdamW, with state kept by parameter *name*, giving PyTorch's numbers.
 *
 * With gradient g, per-parameter step count t, λ the weight decay and η the learning rate:
 *
 *     g ← g + λw                   (decoupled: w ← w − ηλw instead)
 *     m ← β₁m + (1−β₁)g            v ← β₂v + (1−β₂)g²
 *     w ← w − η · m/(1−β₁ᵗ) / (√(v/(1−β₂ᵗ)) + ε)
 *
 * computed with both bias corrections folded into two scalars: `w − η√c₂/c₁ · m / (√v + ε√c₂)`, cᵢ = 1−βᵢᵗ. A parameter
 * without a gradient is skipped and its t stands still, as in `torch.optim`.
 *
 * @param parameters the variables to move; the names key the state, so order and construction do not matter on resume.
 * @param options see {@link AdamOptions}; only `learningRate` is required.
 * @throws {OptionError} for a number outside its range.
 * @example
 * const w = tf.variable(tf.tensor1d([1, -1]));
 * const adam = new Adam(new Map([['w', w]]), { learningRate: 0.1 });
 * adam.step(new Map([['w', tf.tensor1d([2, -3])]]));
 * w // [0.9, -0.9]
 * adam.state().tensors.get('w.exp_avg') // [0.2, -0.3]
 * adam.dispose();
 * @see Kingma & Ba 2015, arXiv 1412.6980; Loshchilov & Hutter 2019, arXiv 1711.05101
 */
export class Adam {
  /** Step size used by the next `step`; set it from a schedule. */
  learningRate: number;
  readonly #parameters: NamedParameters;
  readonly #options: Required<Omit<AdamOptions, 'learningRate' | 'weightDecay'>>;
  readonly #weightDecay: (name: string) => number;
  #moments = new Map<string, Moments>();

  constructor(
    parameters: NamedParameters,
    { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, decoupled = false }: AdamOptions,
  ) {
    this.learningRate = checkNumber('learningRate', learningRate, { minimum: 0 });
    for (const [name, beta] of Object.entries({ beta1, beta2 })) {
      checkNumber(name, beta, { minimum: 0, maximum: 1 - Number.EPSILON });
    }
    checkNumber('epsilon', epsilon, { minimum: 0 });
    if (typeof weightDecay === 'number') checkNumber('weightDecay', weightDecay, { minimum: 0 });
    this.#parameters = parameters;
    this.#options = { beta1, beta2, epsilon, decoupled };
    this.#weightDecay = typeof weightDecay === 'number' ? () => weightDecay : weightDecay;
  }

  /**
   * Moves every parameter that has a gradient.
   *
   * @param gradients by parameter name, each of its parameter's shape; not disposed.
   * @param options `gradientScale` `[]`: gradients are taken times this (see `clipScale`), without a copy of them.
   * @throws {OptionError} if a name is not one of the parameters; {ShapeError} if a shape differs.
   */
  step(gradients: NamedGradients, { gradientScale }: { gradientScale?: tf.Scalar } = {}): void {
    checkNamesAndShapes('Adam', this.#parameters, gradients);
    tf.tidy(() => {
      // parameters whose numbers are the same move in one call
      const groups = new Map<string, { numbers: AdamStepOptions; names: string[] }>();
      for (const name of gradients.keys()) {
        const numbers = this.#numbers(name, (this.#moments.get(name)?.steps ?? 0) + 1);
        const key = Object.values(numbers).join();
        if (!groups.has(key)) groups.set(key, { numbers, names: [] });
        groups.get(key)!.names.push(name);
      }
      for (const { numbers, names } of groups.values()) this.#move(names, gradients, { ...numbers, gradientScale });
    });
  }

  /** Step `steps` of one parameter, with both bias corrections in it. */
  #numbers(name: string, steps: number): AdamStepOptions {
    const { beta1, beta2, epsilon, decoupled } = this.#options;
    const decay = this.#weightDecay(name);
    const correction = Math.sqrt(1 - beta2 ** steps);
    return {
      stepSize: (this.learningRate * correction) / (1 - beta1 ** steps),
      beta1,
      beta2,
      epsilon: epsilon * correction,
      penalty: decoupled ? 0 : decay,
      shrink: decoupled ? 1 - this.learningRate * decay : 1,
      inPlace: true,
    };
  }

  #move(names: string[], gradients: NamedGradients, numbers: AdamStepOptions): void {
    const before = names.map((name) => this.#moments.get(name));
    const parameters = names.map((name, i) => {
      const weight = this.#parameters.get(name)!;
      const { mean = zeros(weight), square = zeros(weight) } = before[i] ?? {};
      return { weight, gradient: gradients.get(name)!, mean, square };
    });
    for (const [i, { weight, mean, square }] of adamStep(parameters, numbers).entries()) {
      const name = names[i]!;
      this.#parameters.get(name)!.assign(weight);
      this.#moments.set(name, { mean: tf.keep(mean), square: tf.keep(square), steps: (before[i]?.steps ?? 0) + 1 });
      if (before[i]) tf.dispose([before[i].mean, before[i].square]);
    }
  }

  /**
   * State for a checkpoint: tensors `<name>.exp_avg` and `<name>.exp_avg_sq` (PyTorch's words), the learning rate and
   * the steps each parameter has taken.
   */
  state(): OptimizerState {
    const tensors = new Map<string, tf.Tensor>();
    const steps: Record<string, number> = {};
    for (const [name, moments] of this.#moments) {
      tensors.set(`${name}.exp_avg`, moments.mean);
      tensors.set(`${name}.exp_avg_sq`, moments.square);
      steps[name] = moments.steps;
    }
    return { tensors, values: { learningRate: this.learningRate, steps } };
  }

  /**
   * Takes over a saved state, replacing the present one. The given tensors are copied, not kept.
   *
   * @throws {OptionError} if a tensor is missing or a name is unknown; {ShapeError} if a shape differs.
   */
  loadState({ tensors, values }: OptimizerState): void {
    const loaded = new Map<string, Moments>();
    for (const [name, steps] of Object.entries(values.steps)) {
      const [mean, square] = [tensors.get(`${name}.exp_avg`), tensors.get(`${name}.exp_avg_sq`)];
      if (!mean || !square) throw new OptionError(`Adam.loadState: no tensors ${name}.exp_avg and ${name}.exp_avg_sq`);
      checkNamesAndShapes('Adam.loadState', this.#parameters, new Map([[name, mean]]));
      checkNamesAndShapes('Adam.loadState', this.#parameters, new Map([[name, square]]));
      loaded.set(name, { mean, square, steps });
    }
    const previous = this.#moments;
    this.#moments = new Map(
      [...loaded].map(([name, { mean, square, steps }]) => [
        name,
        { mean: tf.keep(tf.clone(mean)), square: tf.keep(tf.clone(square)), steps },
      ]),
    );
    for (const { mean, square } of previous.values()) tf.dispose([mean, square]);
    this.learningRate = values.learningRate;
  }

  /** Frees the state; the parameters stay. */
  dispose(): void {
    for (const { mean, square } of this.#moments.values()) tf.dispose([mean, square]);
    this.#moments.clear();
  }
}

const zeros = (like: tf.Tensor) => tf.zeros(like.shape);

/** Names must be known and shapes equal: a misspelt name would otherwise train nothing, silently. */
export function checkNamesAndShapes(caller: string, parameters: NamedParameters, given: Map<string, tf.Tensor>): void {
  for (const [name, tensor] of given) {
    const parameter = parameters.get(name);
    if (!parameter) {
      throw new OptionError(
        `${caller}: '${name}' is not one of the ${parameters.size} parameters of this optimiser: ` +
          'give each optimiser only the entries it owns',
      );
    }
    if (!tf.util.arraysEqual(parameter.shape, tensor.shape)) {
      throw new ShapeError(
        `${caller}: '${name}': expected shape [${parameter.shape.join(', ')}], got [${tensor.shape.join(', ')}]`,
      );
    }
  }
}
