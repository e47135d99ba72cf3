import * as tf from '@tensorflow/tfjs-core';

/** Of tfjs's engine what a gradient inside of a gradient needs; `tf.grads` cannot leave out what is not connected. */
type Engine = {
  state: { activeTape: unknown };
  gradients: (f: () => tf.Tensor, xs: tf.Tensor[], dy: tf.Tensor, allowNoGradients: boolean) => { grads: tf.Tensor[] };
};

let depth = 0;

/** Whether a part is being computed again for its gradient: what moves once a step (running statistics) must not move. */
export const isRecomputing = (): boolean => depth > 0;

/**
 * Gradient checkpointing: runs a part of a model without keeping what its gradient needs, and computes it again when the
 * gradient is asked for. Memory for one more forward pass; the numbers are the same.
 *
 * The part must be the same function both times: seeded dropout from the same step. Running statistics of `BatchNorm` move
 * in the first run only; `again` tells the runs apart.
 *
 * @param run the part; `inputs` and `constants` as given, or their saved copies; `again` is true in the second run. What it
 *   returns is one tensor.
 * @param inputs tensors that a gradient flows to.
 * @param options `variables` of the part, which get a gradient too; `constants` it reads that get none (masks, ids).
 * @returns what `run` returns.
 * @example
 * const w = tf.variable(tf.tensor2d([[2]]));
 * const x = tf.tensor2d([[3]]);
 * const part = ([y]: tf.Tensor[]) => tf.square(tf.matMul(y!, w));
 * const squares = () => recompute(part, [x], { variables: [w] });
 * await tf.variableGrads(() => tf.sum(squares()), [w]).grads[w.name].data(); // [36]
 * @see Chen et al. 2016, arXiv 1604.06174
 */
export function recompute<T extends tf.Tensor>(
  run: (inputs: tf.Tensor[], constants: tf.Tensor[], again: boolean) => T,
  inputs: tf.Tensor[],
  { variables = [], constants = [] }: { variables?: tf.Variable[]; constants?: tf.Tensor[] } = {},
): T {
  const engine = tf.engine() as unknown as Engine;
  const op = tf.customGrad((...given) => {
    const save = given[given.length - 1] as unknown as (tensors: tf.Tensor[]) => void;
    save([...inputs, ...constants]);
    return {
      value: tf.tidy(() => run(inputs, constants, false)),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) =>
        tf.tidy(() => {
          const [again, unchanged] = [saved.slice(0, inputs.length), saved.slice(inputs.length)];
          const sources = [...again, ...variables];
          // The inner gradient would end the outer one's tape.
          const outer = engine.state.activeTape;
          depth += 1;
          try {
            const { grads } = engine.gradients(() => run(again, unchanged, true), sources, tf.clone(dy), true);
            return grads.map((gradient, i) => gradient ?? tf.zerosLike(sources[i]!));
          } finally {
            engine.state.activeTape = outer;
            depth -= 1;
          }
        }),
    };
  });
  return op(...inputs, ...variables) as T;
}
