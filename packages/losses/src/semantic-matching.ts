import { checkChoice, checkGradients, checkNumber, checkShape, ShapeError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { constant } from './constant';
import { matchingLoss } from './matching';
import {
  asTemperature,
  checkReduction,
  type Directions,
  directionWeights,
  type Learnable,
  type Reduced,
  type Reduction,
} from './options';
import { unitRows } from './unit-rows';

/** Options of {@link semanticMatchingLoss}. */
export interface SemanticMatchingOptions<R extends Reduction = Reduction> {
  imageLabels: tf.Tensor;
  textLabels: tf.Tensor;
  labelSimilarity?: 'cosine' | 'dot';
  targetTemperature?: number;
  temperature?: Learnable;
  directions?: Directions;
  reduction?: R;
}

/**
 * Semantic matching (MedCLIP): images and texts match as far as their findings do, so unpaired data can be used.
 *
 * With unit rows u_i (image) and v_j (text), z_ij = ⟨u_i, v_j⟩/τ, and labels y_i (image), y'_j (text):
 *
 *     s_ij    = cos(y_i, y'_j)                        t_ij = exp(s_ij/τ_t) / Σ_j exp(s_ij/τ_t)
 *     forward_i = −Σ_j t_ij log softmax_j(z_ij)       backward: the same over the columns
 *
 * The paper writes the cosine; its released code multiplies the raw labels: `labelSimilarity: 'dot'`, which grows with
 * the number of findings.
 *
 * @param image `[n, d]` embeddings, any norm (normalised here).
 * @param text `[m, d]`; not paired with the images, m may differ.
 * @param options `imageLabels` `[n, c]` and `textLabels` `[m, c]`, one column per finding (constants); `labelSimilarity`
 *   `'cosine'` (default) or `'dot'`; `targetTemperature` τ_t, default 1; `temperature` τ, a number or a scalar tensor,
 *   default 0.07; `directions`, default `'mean'`; `reduction`.
 * @returns scalar for "mean" and "sum"; `[n]` for "none" (needs n = m, or `'forward'`).
 * @throws {ShapeError} if shapes do not fit.
 * @example
 * const x = tf.tensor2d([[1, 0], [0, 1]]);
 * await semanticMatchingLoss(x, x, { imageLabels: x, textLabels: x, temperature: 1 }).data(); // 0.5822
 * @see Wang et al. 2022, MedCLIP, arXiv 2210.10163
 */
export function semanticMatchingLoss<R extends Reduction = 'mean'>(
  image: tf.Tensor,
  text: tf.Tensor,
  {
    imageLabels,
    textLabels,
    labelSimilarity = 'cosine',
    targetTemperature = 1,
    temperature = 0.07,
    directions = 'mean',
    reduction = 'mean' as R,
  }: SemanticMatchingOptions<R>,
): Reduced<R> {
  checkGradients('semanticMatchingLoss');
  const sizes = checkShape('text', text, 'm d', checkShape('image', image, 'n d'));
  checkShape('textLabels', textLabels, 'm c', checkShape('imageLabels', imageLabels, 'n c', sizes));
  checkChoice('labelSimilarity', labelSimilarity, ['cosine', 'dot']);
  checkNumber('targetTemperature', targetTemperature, { above: 0 });
  checkReduction(reduction);
  const weights = directionWeights(directions);
  const [n, m] = [image.shape[0], text.shape[0]];
  if (reduction === 'none' && weights.backward > 0 && n !== m) {
    throw new ShapeError(
      `reduction 'none' adds both directions row by row, which needs n = m, got n = ${n}, m = ${m}; use directions: 'forward'`,
    );
  }
  return tf.tidy(() => {
    const labels = constant(() => {
      const rows = [imageLabels, textLabels].map((x) => (labelSimilarity === 'cosine' ? unitRows(x) : x));
      return tf.div(tf.matMul(rows[0]!, rows[1]!, false, true), targetTemperature);
    });
    const z = tf.matMul(unitRows(image), unitRows(text), false, true);
    return matchingLoss({
      forward: tf.div(z, asTemperature('temperature', temperature)),
      targets: {
        forward: constant(() => tf.softmax(labels)),
        backward: constant(() => tf.transpose(tf.softmax(tf.transpose(labels)))),
      },
      weights,
      reduction,
    });
  });
}
