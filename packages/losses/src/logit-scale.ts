import { checkNumber, ShapeError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { inwards } from './clamped';

/** The logit scale 1/τ never exceeds 100 (CLIP), nor falls under 1. */
const MAXIMUM = Math.log(100);

/**
 * A learnable logit scale, stored as ln(1/τ); CLIP and open_clip call it `logit_scale` in their checkpoints.
 *
 * @param temperature the initial τ, in [0.01, 1].
 * @returns a trainable scalar Variable; give `temperatureFrom(variable)` to a loss.
 * @throws {OptionError} if τ is outside [0.01, 1].
 * @example
 * const scale = logitScale(0.1);
 * await temperatureFrom(scale).data(); // 0.1
 * @see Radford et al. 2021, arXiv 2103.00020
 */
export function logitScale(temperature = 0.07): tf.Variable<tf.Rank.R0> {
  checkNumber('temperature', temperature, { minimum: 0.01, maximum: 1 });
  return tf.tidy(() => tf.variable(tf.scalar(Math.log(1 / temperature)), true));
}

/**
 * The temperature of a learnable log-scale s, clamped to [0, ln 100]:
 *
 *     τ = exp(−min(max(s, 0), ln 100))
 *
 * The gradient is that of exp(−s) inside the interval. Outside, it passes only when descending would lead back inside:
 * an optimiser that steps over the edge does not get stuck there, as it would with a plain clamp.
 *
 * @param scale scalar tensor or Variable, s = ln(1/τ).
 * @returns scalar τ in [0.01, 1].
 * @throws {ShapeError} if s is not a scalar.
 * @example
 * await temperatureFrom(tf.scalar(0)).data(); // 1
 * await temperatureFrom(tf.scalar(9)).data(); // 0.01
 */
export function temperatureFrom(scale: tf.Tensor): tf.Scalar {
  if (!(scale instanceof tf.Tensor) || scale.rank !== 0) {
    throw new ShapeError(`scale: expected a scalar tensor, got ${scale?.shape ? `shape [${scale.shape}]` : scale}`);
  }
  return tf.customGrad((s, save) => {
    const temperature = tf.tidy(() => tf.exp(tf.neg(tf.clipByValue(s as tf.Tensor, 0, MAXIMUM))));
    (save as tf.GradSaveFunc)([s as tf.Tensor, temperature]);
    return {
      value: temperature,
      gradFunc: (dy, saved) =>
        tf.tidy(() => {
          const [at, value] = saved as [tf.Tensor, tf.Tensor];
          return inwards(tf.neg(tf.mul(dy, value)), at, 0, MAXIMUM);
        }),
    };
  })(scale) as tf.Scalar;
}
