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
  const attributes = { epsilon, flatAtZero };
  const own = (name: string, inputs: tf.NamedTensorMap) => (last ? kernel(name, inputs, attributes) : undefined);
  const normalize = tf.customGrad((v, save) => {
    const [unit, norm] = own('MedalignL2Normalize', { x: v as tf.Tensor }) ?? divided(v as tf.Tensor, axis, epsilon);
    (save as tf.GradSaveFunc)([unit!, norm!]);
    return {
      value: unit!,
      gradFunc: (dy, [u, n]) =>
        tf.tidy(
          () =>
            own('MedalignL2NormalizeGrad', { dy, unit: u!, norm: n! })?.[0] ??
            gradient(dy, u!, n!, { axis, ...attributes }),
        ),
    };
  });
  return tf.tidy(() => normalize(x) as T);
}

/**
 * An engine's own kernels for the last axis, named like those of @medalign/ops; both or none, and their outputs
 * are lists:
 *
 * | kernel | inputs | attributes | outputs |
 * |---|---|---|---|
 * | `MedalignL2Normalize` | x […, d] | epsilon, flatAtZero | unit […, d], norm […, 1] = max(‖x‖, ε) |
 * | `MedalignL2NormalizeGrad` | dy, unit […, d], norm […, 1] | epsilon, flatAtZero | dx […, d] |
 */
function kernel(name: string, inputs: tf.NamedTensorMap, attributes: object): tf.Tensor[] | undefined {
  if (!tf.getKernel(name, tf.getBackend())) return undefined;
  return tf.engine().runKernel(name, inputs, attributes as tf.NamedAttrMap) as unknown as tf.Tensor[];
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
  const across = tf.div(tf.sub(dy, tf.mul(unit, tf.where(long, along, 0))), norm);
  return flatAtZero ? tf.where(long, across, 0) : across;
}
