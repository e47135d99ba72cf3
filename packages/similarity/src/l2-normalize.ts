import * as tf from '@tensorflow/tfjs-core';
import { checkNumber } from './checks';

/**
 * Unit vectors along one axis.
 *
 *     y = v / max(‖v‖₂, ε)
 *
 * Its gradient is its own and needs none registered with tfjs-core. At ‖v‖ ≤ ε it is that of v/ε, as in PyTorch's
 * `F.normalize`, or 0 with `flatAtZero`; `v / tf.norm(v)` has NaN there, in value and gradient.
 *
 * @param x tensor of any rank ≥ 1.
 * @param options `axis` (−1), `epsilon` ε > 0 (1e-12, the same as PyTorch), `flatAtZero` (false): a vector of zeros has no
 *   direction, and so no gradient.
 * @returns tensor of the same shape; vectors of zeros stay zeros.
 * @throws {OptionError} if `epsilon` is not above 0.
 * @example
 * await l2Normalize(tf.tensor2d([[3, 4], [0, 0]])).data(); // [0.6, 0.8, 0, 0]
 */
export function l2Normalize<T extends tf.Tensor>(
  x: T,
  { axis = -1, epsilon = 1e-12, flatAtZero = false }: { axis?: number; epsilon?: number; flatAtZero?: boolean } = {},
): T {
  // below 1e-18 the square is not a normal float32 number any more
  checkNumber('epsilon', epsilon, { minimum: 1e-18 });
  const last = axis === -1 || axis === x.rank - 1;
  return tf.tidy(
    () =>
      tf.customGrad((input, save) => {
        const v = input as tf.Tensor;
        const [unit, norm] =
          (last && kernel('MedalignL2Normalize', { x: v }, { epsilon })) || divided(v, axis, epsilon);
        (save as tf.GradSaveFunc)([unit!, norm!]);
        return {
          value: unit!,
          gradFunc: (dy, saved) =>
            tf.tidy(() => {
              const [u, n] = saved as [tf.Tensor, tf.Tensor];
              const attributes = { epsilon, flatAtZero };
              const own = last && kernel('MedalignL2NormalizeGrad', { dy, unit: u, norm: n }, attributes);
              return (own && own[0]!) || gradient(dy, u, n, { axis, ...attributes });
            }),
        };
      })(x) as T,
  );
}

/**
 * An engine's own kernels for the last axis, named like those of @medalign/ops; both or none:
 *
 * | kernel | inputs | attributes | outputs |
 * |---|---|---|---|
 * | `MedalignL2Normalize` | x […, d] | epsilon | unit […, d], norm […, 1] = max(‖x‖, ε) |
 * | `MedalignL2NormalizeGrad` | dy, unit […, d], norm […, 1] | epsilon, flatAtZero | dx […, d] |
 */
function kernel(name: string, inputs: tf.NamedTensorMap, attributes: object): tf.Tensor[] | undefined {
  if (!tf.getKernel(name, tf.getBackend())) return undefined;
  const outputs = tf.engine().runKernel(name, inputs, attributes as tf.NamedAttrMap) as tf.Tensor | tf.Tensor[];
  return Array.isArray(outputs) ? outputs : [outputs];
}

function divided(x: tf.Tensor, axis: number, epsilon: number): [unit: tf.Tensor, norm: tf.Tensor] {
  const norm = tf.maximum(tf.sqrt(tf.sum(tf.square(x), axis, true)), epsilon);
  return [tf.div(x, norm), norm];
}

/** (dy − u⟨u, dy⟩)/‖v‖, and dy/ε or 0 where the norm does not exceed ε. */
function gradient(
  dy: tf.Tensor,
  unit: tf.Tensor,
  norm: tf.Tensor,
  { axis, epsilon, flatAtZero }: { axis: number; epsilon: number; flatAtZero: boolean },
): tf.Tensor {
  const long = tf.greater(norm, epsilon);
  const along = tf.sum(tf.mul(dy, unit), axis, true);
  const across = tf.div(tf.sub(dy, tf.mul(unit, tf.where(long, along, tf.zerosLike(along)))), norm);
  return flatAtZero ? tf.where(tf.broadcastTo(long, across.shape), across, tf.zerosLike(across)) : across;
}
