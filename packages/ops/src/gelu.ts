import { checkChoice, checkGradients } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { runKernel, withGradient } from './kernel';

/**
 * Gaussian error linear unit, `y = x · Φ(x)` with the normal distribution function
 *
 *     'erf':   Φ(x) = ½ (1 + erf(x / √2))                          (BERT, PyTorch's default)
 *     'tanh':  Φ(x) ≈ ½ (1 + tanh(√(2/π) (x + 0.044715 x³)))       (GPT-2, 'gelu_new')
 *
 * @param x any shape.
 * @param options `approximation`, default `'erf'`.
 * @returns the shape of `x`.
 * @throws OptionError for another approximation.
 * @example
 * await gelu(tf.tensor1d([-1, 0, 1])).data(); // [-0.1587, 0, 0.8413]
 * @see Hendrycks, Gimpel 2016, arXiv 1606.08415
 */
export function gelu(x: tf.Tensor, { approximation = 'erf' }: { approximation?: 'erf' | 'tanh' } = {}): tf.Tensor {
  checkChoice('approximation', approximation, ['erf', 'tanh']);
  checkGradients('gelu');
  const distribution = approximation === 'erf' ? exactDistribution : tanhDistribution;
  const slope = approximation === 'erf' ? exactSlope : tanhSlope;
  return tf.tidy(() => {
    return withGradient(
      (save) => {
        // Φ is kept only by the composite: erf and tanh cost ten times a multiplication on the embedded engines.
        const [value, phi] = runKernel('MedalignGelu', { x }, { approximation }, () => {
          const phi = distribution(x);
          return [tf.mul(x, phi), phi];
        });
        save(phi ? [x, phi] : [x]);
        return value!;
      },
      (dy, [savedX, phi]) =>
        runKernel('MedalignGeluGrad', { dy, x: savedX! }, { approximation }, () => [tf.mul(dy, slope(savedX!, phi!))]),
      [x],
    );
  });
}

const half = (x: tf.Tensor) => tf.mul(tf.add(x, 1), 0.5);
const exactDistribution = (x: tf.Tensor) => half(tf.erf(tf.mul(x, Math.SQRT1_2)));
const exactSlope = (x: tf.Tensor, phi: tf.Tensor) =>
  tf.add(phi, tf.mul(x, tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI))));

const cubic = 0.044715;
const root = Math.sqrt(2 / Math.PI);
const tanhDistribution = (x: tf.Tensor) =>
  half(tf.tanh(tf.mul(tf.mul(x, tf.add(tf.mul(tf.square(x), cubic), 1)), root)));
/** ½ sech² = 2Φ(1 − Φ), so the tanh is not computed again. */
const tanhSlope = (x: tf.Tensor, phi: tf.Tensor) => {
  const inner = tf.mul(tf.add(tf.mul(tf.square(x), 3 * cubic), 1), 2 * root);
  return tf.add(phi, tf.mul(x, tf.mul(inner, tf.mul(phi, tf.sub(1, phi)))));
};
