import * as tf from '@tensorflow/tfjs-core';
import { checkChoice, checkGradients, checkNumber, checkShape } from './checks';
import { l2Normalize } from './l2-normalize';
import { keepWhere, maskedSoftmax, validity } from './masking';

/** The refined factors of Φref that regions are built from. */
export type RefinedWeights = Record<'wordWeights' | 'pixelWeights', tf.Tensor>;

interface Masks {
  /** `[b, l]`, 1 = a word */
  wordMask?: tf.Tensor | undefined;
  /** `[b, p]`, 1 = a pixel of the image, 0 = padding */
  pixelMask?: tf.Tensor | undefined;
}

/**
 * Similarity weighted by the refined joint importance (PLAN Eq 10).
 *
 *     SΦ_ij = Φref_ij S_ij = P_i Q_j S_ij
 *
 * For looking at and for small inputs; {@link regionFeatures} does not need it.
 *
 * @param similarity `[b, l, p]` S.
 * @param coImportance P `[b, l]` and Q `[b, p]` of {@link coImportance}.
 * @param options `wordMask`, `pixelMask`: 0 there whatever S holds. Without them, a finite S is 0 where P or Q is.
 * @returns `[b, l, p]`.
 * @throws {ShapeError} if shapes do not fit.
 * @example
 * const s = tf.tensor3d([[[4, 2], [0, 6]]]);
 * const half = tf.tensor2d([[0.5, 0.5]]);
 * await refinedSimilarity(s, { wordWeights: half, pixelWeights: half }).data(); // [1, 0.5, 0, 1.5]
 */
export function refinedSimilarity(
  similarity: tf.Tensor,
  { wordWeights, pixelWeights }: RefinedWeights,
  { wordMask, pixelMask }: Masks = {},
): tf.Tensor3D {
  checkGradients('refinedSimilarity');
  const sizes = checkShape('similarity', similarity, 'b l p');
  checkShape('coImportance.wordWeights', wordWeights, 'b l', sizes);
  checkShape('coImportance.pixelWeights', pixelWeights, 'b p', sizes);
  return tf.tidy(() => {
    const S = keepWhere(
      validity(similarity.shape as [number, number, number], { wordMask, pixelMask })?.pair,
      similarity,
    );
    return tf.mul(tf.mul(S, tf.expandDims(wordWeights, 2)), tf.expandDims(pixelWeights, 1)) as tf.Tensor3D;
  });
}

/** What a pixel weighs for a word: Q_j f(S_ij), with f the identity, exp(·/τ) or max(·, 0). */
export type Attention = 'linear' | 'softmax' | 'relu';

/** Options of {@link regionFeatures}. */
export interface RegionOptions extends Masks {
  /** `[d, d]` Wproj, rows in, columns out; identity if left out */
  projection?: tf.Tensor | undefined;
  /** `[d]` added after the projection; none, as the paper reads */
  bias?: tf.Tensor | undefined;
  attention?: Attention;
  /** τ of 'softmax'; 1 */
  attentionTemperature?: number;
  /** 'refined': Q_j weighs the pixels; 'uniform': all pixels alike */
  pixelWeighting?: 'refined' | 'uniform';
  /** unit vectors; true */
  normalize?: boolean;
}

/**
 * The soft region of each word: image features averaged with the refined similarity (PLAN Eq 11), one matmul per image.
 *
 *     V_i = (1/p) Σ_j P_i Q_j S_ij I_j          region_i = norm(V_i Wproj)
 *
 * The paper multiplies out SΦ and I to l×p×d and pools; both are linear, so that tensor is never needed. P_i and 1/p cancel
 * under the norm, and ‖V‖ is so small with them that they only cost precision. They are left out, unless a `bias` or
 * `normalize: false` makes the scale of V count.
 *
 * `attention` replaces S_ij by f(S_ij): 'linear' S (the paper), 'relu' max(S, 0), 'softmax' exp(S/τ). The weights of 'softmax'
 * are softmax_j(S_ij/τ + log Q_j): they sum to 1, so V_i is their average as it stands and neither P nor 1/p enters.
 * With 'linear' every region is a linear image of its word, V_i = W_i C with one C for the whole image.
 *
 * @param similarity `[b, l, p]` S.
 * @param pixels `[b, p, d]` features I that are averaged.
 * @param coImportance P `[b, l]` and Q `[b, p]` of {@link coImportance}.
 * @param options `wordMask`, `pixelMask` (1 = valid), `projection` Wproj `[d, d]`, `bias` `[d]`, `attention` ('linear'),
 * `attentionTemperature` τ (1), `pixelWeighting` ('refined'; 'uniform' leaves Q out), `normalize` (true).
 * @returns `[b, l, d]`; zero rows for invalid words when `wordMask` is given.
 * @throws {ShapeError} if shapes do not fit.
 * @throws {OptionError} if an option is outside its choices.
 * @example
 * const s = tf.tensor3d([[[3, 0], [0, 2]]]);
 * const pixels = tf.tensor3d([[[1, 0], [0.6, 0.8]]]);
 * await regionFeatures(s, pixels, coImportance(s)).data(); // [1, 0, 0.6, 0.8]
 */
export function regionFeatures(
  similarity: tf.Tensor,
  pixels: tf.Tensor,
  { wordWeights, pixelWeights }: RefinedWeights,
  {
    wordMask,
    pixelMask,
    projection,
    bias,
    attention = 'linear',
    attentionTemperature = 1,
    pixelWeighting = 'refined',
    normalize = true,
  }: RegionOptions = {},
): tf.Tensor3D {
  checkGradients('regionFeatures');
  const sizes = checkShape('similarity', similarity, 'b l p');
  checkShape('pixels', pixels, 'b p d', sizes);
  checkShape('coImportance.wordWeights', wordWeights, 'b l', sizes);
  checkShape('coImportance.pixelWeights', pixelWeights, 'b p', sizes);
  if (projection) checkShape('projection', projection, 'd d', sizes);
  if (bias) checkShape('bias', bias, 'd', sizes);
  checkChoice('attention', attention, ['linear', 'softmax', 'relu']);
  checkNumber('attentionTemperature', attentionTemperature, { above: 0 });
  checkChoice('pixelWeighting', pixelWeighting, ['refined', 'uniform']);
  const shape = similarity.shape as [number, number, number];
  const [b, l, p] = shape;
  const d = pixels.shape[2]!;

  return tf.tidy(() => {
    const valid = validity(shape, { wordMask, pixelMask });
    const S = keepWhere(valid?.pair, similarity);
    const I = pixelMask ? keepWhere(tf.expandDims(valid!.pixel, 2), pixels) : pixels;
    const Q = pixelWeighting === 'refined' ? tf.expandDims(pixelWeights, 1) : undefined;

    let regions = tf.matMul(pixelAttention(S, Q, valid?.pair, attention, attentionTemperature), I) as tf.Tensor3D;
    if ((bias || !normalize) && attention !== 'softmax') {
      const count = valid ? tf.expandDims(valid.pixels, 2) : p;
      regions = tf.mul(regions, tf.div(tf.expandDims(wordWeights, 2), count));
    }
    if (projection) regions = tf.reshape(tf.matMul(tf.reshape(regions, [b * l, d]), projection), [b, l, d]);
    if (bias) regions = tf.add(regions, bias);
    if (normalize) regions = l2Normalize(regions);
    return wordMask ? keepWhere(tf.expandDims(valid!.word, 2), regions) : regions;
  });
}

/** Q_j f(S_ij) as `[b, l, p]`, S being 0 at invalid pairs already. */
function pixelAttention(
  S: tf.Tensor,
  Q: tf.Tensor | undefined,
  pair: tf.Tensor | undefined,
  attention: Attention,
  temperature: number,
): tf.Tensor {
  if (attention === 'softmax') {
    const logits = temperature === 1 ? S : tf.div(S, temperature);
    // a weight of 0 is a pixel that is masked, or one whose exponential has underflowed
    return maskedSoftmax(Q ? tf.add(logits, tf.log(tf.maximum(Q, 1e-30))) : logits, pair);
  }
  const similarity = attention === 'relu' ? tf.relu(S) : S;
  return Q ? tf.mul(similarity, Q) : similarity;
}
