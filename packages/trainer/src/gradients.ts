import { globalNormClip } from '@medalign/ops';
import { checkGradients, OptionError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';

/** NamedParameters of a model by name: what optimisers move. */
export type NamedParameters = Map<string, tf.Variable>;

/** One gradient per parameter name; a name that is missing had no part in the loss. */
export type NamedGradients = Map<string, tf.Tensor>;

/** What the function under differentiation may return: the loss, or the loss with the terms that make it up. */
export type Loss = tf.Tensor | { total: tf.Tensor; terms?: Record<string, tf.Tensor> };

/**
 * Value and gradients of a loss with respect to named parameters, in one forward and one backward pass.
 *
 * Like `tf.variableGrads`, with three differences: gradients are keyed by *your* names, not by tfjs's variable names;
 * the terms of a composite loss come out beside the total; and a parameter that takes no part (a frozen or unused
 * branch) is left out of `gradients` and listed in `unused`, as PyTorch's `grad is None`. Optimisers of this package
 * skip such parameters, and leave their state alone.
 *
 * @param f computes the loss from the parameters; returns a scalar or `{ total, terms }` (what `combineLosses` returns).
 * @param parameters the variables to differentiate by.
 * @returns `value` (scalar), `terms` (by name, empty without terms), `gradients` (same shapes as the parameters),
 *   `unused` (names, sorted). All tensors belong to the caller.
 * @throws {Error} if no parameter takes part at all, or if the loss is not a scalar.
 * @example
 * const [w, frozen] = [tf.variable(tf.tensor1d([1, 2])), tf.variable(tf.scalar(3))];
 * const parameters = new Map<string, tf.Variable>([['w', w], ['frozen', frozen]]);
 * const { value, gradients, unused } = valueAndGradients(() => tf.sum(tf.square(w)), parameters);
 * value // 5
 * gradients.get('w') // [2, 4]
 * unused // ["frozen"]
 */
export function valueAndGradients(
  f: () => Loss,
  parameters: NamedParameters,
): { value: tf.Scalar; terms: Record<string, tf.Tensor>; gradients: NamedGradients; unused: string[] } {
  if (parameters.size === 0) throw new Error('valueAndGradients: parameters is empty: nothing to differentiate by');
  const names = [...parameters.keys()];
  const terms: Record<string, tf.Tensor> = {};
  let failure: unknown;
  const forward = (): tf.Tensor => {
    try {
      checkGradients('valueAndGradients');
      const loss = f();
      for (const [name, term] of Object.entries((loss as { terms?: object }).terms ?? {})) {
        terms[name] = tf.keep(tf.clone(term));
      }
      return checkScalar(loss instanceof tf.Tensor ? loss : loss.total);
    } catch (error) {
      // Thrown through tfjs, an error would leave the tape's tensors behind; so the pass is finished first.
      failure = error ?? new Error('valueAndGradients: the loss function threw nothing');
      return tf.scalar(0);
    }
  };
  // tfjs's own variableGrads drops the caller's names and the terms, so the engine is asked directly.
  const { value, grads } = tf.engine().gradients(forward, [...parameters.values()], undefined, true) as {
    value: tf.Scalar;
    grads: (tf.Tensor | null | undefined)[];
  };
  for (const [name, kept] of Object.entries(terms)) {
    terms[name] = tf.clone(kept);
    kept.dispose();
  }
  const gradients: NamedGradients = new Map();
  names.forEach((name, i) => {
    const gradient = grads[i];
    if (gradient) gradients.set(name, gradient);
  });
  if (failure || gradients.size === 0) tf.dispose([value, terms]);
  if (failure) throw failure;
  if (gradients.size === 0) {
    throw new Error(
      `valueAndGradients: none of the ${names.length} parameters (${names.slice(0, 3).join(', ')}…) takes part in the ` +
        'loss: compute it from the variables themselves inside the function, without dataSync() or tf.tensor copies',
    );
  }
  return { value, terms, gradients, unused: names.filter((name) => !gradients.has(name)).sort() };
}

function checkScalar(total: unknown): tf.Scalar {
  if (total instanceof tf.Tensor && total.rank === 0) return total as tf.Scalar;
  const came = total instanceof tf.Tensor ? `shape [${total.shape.join(', ')}]` : typeof total;
  throw new Error(`valueAndGradients: the loss must be a scalar tensor, got ${came}: reduce it with tf.mean or tf.sum`);
}

/**
 * Scales all gradients together so that their global L2 norm is at most `maxNorm`.
 *
 *     norm = √(Σ_i ‖g_i‖²),   g_i ← g_i · min(1, maxNorm / (norm + 1e-6))
 *
 * The same numbers as `torch.nn.utils.clip_grad_norm_`, computed on the device: nothing is read back.
 *
 * @param gradients by parameter name, any shapes; not disposed.
 * @param maxNorm > 0; `Infinity` only measures.
 * @returns `gradients` (new tensors) and `norm` (scalar, before clipping).
 * @throws {OptionError} if `maxNorm` is not above 0 or there are no gradients.
 * @example
 * const { gradients, norm } = clipByGlobalNorm(new Map([['a', tf.tensor1d([3, 0])], ['b', tf.tensor1d([4])]]), 1);
 * norm // 5
 * gradients.get('b') // 0.8
 */
export function clipByGlobalNorm(
  gradients: NamedGradients,
  maxNorm: number,
): { gradients: NamedGradients; norm: tf.Scalar } {
  checkClip('clipByGlobalNorm', gradients, maxNorm);
  const { clipped, norm } = globalNormClip([...gradients.values()], { maxNorm });
  return { norm, gradients: new Map([...gradients.keys()].map((name, i) => [name, clipped[i]!])) };
}

/**
 * What {@link clipByGlobalNorm} multiplies with, and no copy of the gradients: for `Adam.step`'s `gradientScale`.
 *
 * @param gradients by parameter name, any shapes; not disposed.
 * @param maxNorm > 0.
 * @returns `gradientScale` min(1, maxNorm / (norm + 1e-6)) and `norm` (scalars).
 * @throws {OptionError} if `maxNorm` is not above 0 or there are no gradients.
 * @example
 * const { gradientScale, norm } = clipScale(new Map([['a', tf.tensor1d([3, 0])], ['b', tf.tensor1d([4])]]), 1);
 * norm // 5
 * gradientScale // 0.2
 */
export function clipScale(gradients: NamedGradients, maxNorm: number): { gradientScale: tf.Scalar; norm: tf.Scalar } {
  checkClip('clipScale', gradients, maxNorm);
  return tf.tidy(() => {
    const { norm } = globalNormClip([...gradients.values()], { maxNorm: Number.POSITIVE_INFINITY });
    return { norm, gradientScale: tf.minimum(tf.div(maxNorm, tf.add(norm, 1e-6)), 1) };
  });
}

function checkClip(caller: string, gradients: NamedGradients, maxNorm: number): void {
  if (!(maxNorm > 0)) throw new OptionError(`${caller}: maxNorm must be > 0, got ${maxNorm}`);
  if (gradients.size === 0) throw new OptionError(`${caller}: no gradients were given`);
}

/**
 * Adds up gradients over several small batches, so that one optimiser step sees them all.
 *
 * With `n` micro-steps and mean losses, `take('mean')` gives the gradient of the mean of the `n` losses. A parameter
 * missing from some micro-steps counts as zero there. (A contrastive loss over `n` small batches is *not* the loss over
 * one large batch: negatives come from the small one.)
 *
 * @example
 * const accumulator = new GradientAccumulator();
 * accumulator.add(new Map([['w', tf.tensor1d([1, 2])]]));
 * accumulator.add(new Map([['w', tf.tensor1d([3, 6])]]));
 * accumulator.take('mean').get('w') // [2, 4]
 */
export class GradientAccumulator {
  #sums: NamedGradients = new Map();
  #count = 0;

  /** Micro-steps added since the last `take`. */
  get count(): number {
    return this.#count;
  }

  /** Adds one micro-step's gradients; they stay the caller's to dispose. */
  add(gradients: NamedGradients): void {
    for (const [name, gradient] of gradients) {
      const before = this.#sums.get(name);
      this.#sums.set(name, tf.keep(tf.tidy(() => (before ? tf.add(before, gradient) : tf.clone(gradient)))));
      before?.dispose();
    }
    this.#count++;
  }

  /**
   * The sum or mean over the micro-steps, and a fresh start.
   *
   * @throws {Error} if nothing was added.
   */
  take(reduction: 'mean' | 'sum' = 'mean'): NamedGradients {
    if (this.#count === 0) throw new Error('GradientAccumulator.take: no gradients were added since the last take');
    const scale = reduction === 'mean' ? 1 / this.#count : 1;
    const result: NamedGradients = new Map([...this.#sums].map(([name, sum]) => [name, tf.mul(sum, scale)]));
    this.dispose();
    return result;
  }

  /** Frees what was added and not taken. */
  dispose(): void {
    tf.dispose([...this.#sums.values()]);
    this.#sums = new Map();
    this.#count = 0;
  }
}
