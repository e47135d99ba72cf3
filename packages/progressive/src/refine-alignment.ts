import { imageRegionLoss, infoNce, wordRegionLoss } from '@medalign/losses';
import type { CoImportance } from '@medalign/similarity';
import {
  checkGradients,
  checkShape,
  coImportance,
  l2Normalize,
  regionFeatures,
  ShapeError,
  wordPixelSimilarity,
} from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { constant, keep } from './constants';
import {
  type Alignment,
  type AlignmentInputs,
  type AlignmentIteration,
  type AlignmentOptions,
  checkInputs,
  checkOptions,
} from './options';
import { selectKeywords } from './select-keywords';

/**
 * Progressive local alignment of reports and images (PLAN, Eqs 2–27 without the encoders).
 *
 * Each iteration t compares the words left with the pixels, weighs both by their joint importance, averages a region per
 * word, keeps the most important words, and asks each keyword to know its region:
 *
 *     M_1 = S_1,   M_t = δ S_t + (1 − δ) S̃_{t−1}                   (14)    S̃_t = the rows of M_t at the keywords, not detached
 *     Φref = P Qᵀ from M_t over the words left                     (5–9)
 *     region_i = norm(Σ_j Q_j M_t,ij I_j · Wproj)                  (10, 11)
 *     keywords = the ⌈keepRatio · n⌉ words of largest γ'           {@link selectKeywords}
 *     L_l = cross-entropy of ⟨region_i, norm(W_j)⟩/τ2              (12, 13)
 *     L_g = InfoNCE of the global vectors over τ1                  (2, 3)
 *     L = (1/T) Σ_t (weights.global · L_g + weights.local · L_l)   (26, 27)
 *
 * Shapes never change: words that are dropped leave the mask, and a mask handed on is a constant. Within an iteration
 * the keyword mask multiplies the loss terms of its words, so in training the selection learns (straight-through).
 *
 * `features: 'reuse'` takes S for every S_t, without recomputing it: δ then changes nothing, and L_g is the same in every
 * iteration and is computed once. `'reencode'` calls `encodeWords` for t ≥ 2 with the words left, for new words and a
 * new global text vector. `local: 'initial'` is the ablation with Φ in the place of Φref, one iteration; `'none'` that
 * without local loss, where the iteration is returned for its maps only.
 * `pool: 'projected'` averages G instead of I (unit rows of it when the similarity is a cosine): with softmax attention a
 * region can then only be what its word is similar to, and the similarity map shows where.
 * `negatives: 'images'` (not in the paper) asks instead whether an image explains a report's keywords better than
 * the other images do; it compares the words of all reports with all images, so it reads S_t and not M_t.
 * With `wordScore: 'smoothMax'` an image explains a word as well as its pixels are like it, not as well as its region is.
 * A report without words adds nothing to the local loss.
 *
 * @param inputs `words` `[b, l, d]`, `pixels` `[b, p, d]`, and by name what {@link AlignmentInputs} lists: `projectedPixels`,
 * `regionProjection`, `alpha`, `beta`, `wordMask`, `pixelMask`, `globalImage`, `globalText`, `positives`.
 * @param options see {@link AlignmentOptions}; defaults are the paper's, or the reading in its notes.
 * @returns `loss`, and `iterations` with what each of them saw and chose; `tf.dispose(result)` frees all of it.
 * @throws {ShapeError} if shapes do not fit.
 * @throws {OptionError} if an option is out of range, something it needs is missing, or no report has a word.
 * @example
 * const words = tf.tensor3d([[[3, 0], [0, 1]], [[0, 2], [2, 1]]]);
 * const pixels = tf.tensor3d([[[2, 0], [0, 1]], [[0, 2], [1, 0]]]);
 * const { loss, iterations } = refineAlignment({ words, pixels }, { iterations: 2, keepRatio: 0.5 });
 * await iterations[0].keywordMask.data(); // [1, 0, 1, 0]
 * loss.shape; // []
 */
export function refineAlignment(inputs: AlignmentInputs, options: AlignmentOptions = {}): Alignment {
  checkGradients('refineAlignment');
  checkInputs(inputs, options);
  checkOptions(options, inputs);
  const {
    delta = 0.5,
    local = 'joint',
    features = 'reuse',
    encodeWords,
    similarity: compare,
    keepRatio,
    selection,
    training = false,
    seed,
    weighting,
    directions = 'sum',
    globalTemperature = 0.1,
    pool = 'pixels',
    attention = 'linear',
    attentionTemperature = attentionTemperatureFor(compare),
    gather = (vectors: tf.Tensor2D): tf.Tensor => vectors,
  } = options;
  const iterations = local === 'joint' ? (options.iterations ?? 3) : 1;
  const weights = { global: 1, local: 1, ...options.weights };
  const { wordMask, pixelMask, globalImage, positives, alpha, beta, regionProjection } = inputs;

  return tf.tidy(() => {
    const pixels = keep(inputs.pixels, pixelMask);
    const keys = inputs.projectedPixels ? keep(inputs.projectedPixels, pixelMask) : pixels;
    const pooled = pool === 'pixels' ? pixels : compare?.kind === 'cosine' ? l2Normalize(keys) : keys;
    // pooling is linear: projecting the pixels once is projecting the regions of every iteration
    const values = regionProjection ? project(pooled, regionProjection) : pooled;
    const allImages = globalImage && gather(globalImage as tf.Tensor2D);
    const globalLoss = (text: tf.Tensor) =>
      infoNce(allImages!, gather(text as tf.Tensor2D), {
        temperature: globalTemperature,
        directions,
        positives,
      }) as tf.Scalar;

    let left = wordMask;
    let words = keep(inputs.words, left);
    let global = globalImage && globalLoss(inputs.globalText!);
    let matrix = wordPixelSimilarity(words, keys, compare);
    let loss: tf.Scalar = tf.scalar(0);
    const done: AlignmentIteration[] = [];

    for (let t = 1; t <= iterations; t++) {
      if (t > 1 && features === 'reencode') {
        const encoded = encode(encodeWords!, left!, t, inputs);
        words = keep(encoded.words, left);
        global = globalImage && globalLoss(encoded.globalText!);
        matrix = tf.add(tf.mul(wordPixelSimilarity(words, keys, compare), delta), tf.mul(matrix, 1 - delta));
      }
      const joint = coImportance(matrix, { alpha, beta, weighting, wordMask: left, pixelMask });
      const importance = local === 'initial' ? unrefined(joint) : joint;
      // Images as negatives form the regions they need themselves: these are for looking at.
      const regions =
        options.negatives === 'images' && training
          ? undefined
          : regionFeatures(matrix, values, importance, { wordMask: left, pixelMask, attention, attentionTemperature });
      const { keywordMask } = selectKeywords(importance.wordImportance, {
        ...selection,
        keepRatio,
        wordMask: left,
        training,
        seed: seed === undefined ? undefined : streamSeed(seed, t),
      });
      const losses: AlignmentIteration['losses'] = global ? { global } : {};
      if (local !== 'none') {
        losses.local = localLoss({ words, regions, values, keys, importance, keywordMask, left }, pixelMask, options);
      }
      loss = total(loss, losses, weights);
      done.push({ similarity: matrix, coImportance: importance, keywordMask, ...(regions && { regions }), losses });
      left = constant(() => tf.clone(keywordMask));
    }
    return { loss: tf.div(loss, iterations) as tf.Scalar, iterations: done } as unknown as tf.TensorContainer;
  }) as unknown as Alignment;
}

/** Cosines lie in −1…1, where a softmax at temperature 1 is flat. */
const attentionTemperatureFor = (similarity: AlignmentOptions['similarity']) =>
  similarity?.kind === 'cosine' ? 0.1 : 1;

/** Φref := Φ. The importance of a word read with Φ, p_i (S q)_i, is γw. */
const unrefined = (joint: CoImportance): CoImportance => ({
  ...joint,
  wordWeights: joint.wordPrior,
  pixelWeights: joint.pixelPrior,
  wordImportance: joint.wordRefined,
});

interface LocalTensors {
  words: tf.Tensor;
  regions: tf.Tensor | undefined;
  values: tf.Tensor;
  keys: tf.Tensor;
  importance: CoImportance;
  keywordMask: tf.Tensor;
  left: tf.Tensor | undefined;
}

function localLoss(
  { words, regions, values, keys, importance, keywordMask, left }: LocalTensors,
  pixelMask: tf.Tensor | undefined,
  {
    negatives = 'report',
    imageGroup,
    directions = 'sum',
    localTemperature = 0.1,
    similarity,
    attention = 'linear',
    attentionTemperature = attentionTemperatureFor(similarity),
    wordScore,
  }: AlignmentOptions,
): tf.Scalar {
  const common = { keywordMask, wordMask: left, directions, temperature: localTemperature };
  if (negatives !== 'images') return wordRegionLoss(regions!, words, { ...common, negatives }) as tf.Scalar;
  return imageRegionLoss(words, values, {
    ...common,
    keys,
    pixelWeights: importance.pixelWeights,
    pixelMask,
    similarity,
    attention,
    attentionTemperature,
    wordScore,
    groupSize: imageGroup,
  }) as tf.Scalar;
}

function project(pixels: tf.Tensor, projection: tf.Tensor): tf.Tensor {
  const [b, p, d] = pixels.shape as [number, number, number];
  return tf.reshape(tf.matMul(tf.reshape(pixels, [b * p, d]), projection), [b, p, d]);
}

function encode(
  encodeWords: NonNullable<AlignmentOptions['encodeWords']>,
  left: tf.Tensor,
  iteration: number,
  inputs: AlignmentInputs,
) {
  const encoded = encodeWords(left as tf.Tensor2D, iteration);
  const [b, l, d] = inputs.words.shape as [number, number, number];
  checkShape('encodeWords(…).words', encoded.words, `${b} ${l} ${d}`);
  if (inputs.globalImage) {
    if (!encoded.globalText) {
      throw new ShapeError(
        'encodeWords(…).globalText: expected a tensor [b, g] because globalImage was given, got undefined',
      );
    }
    checkShape('encodeWords(…).globalText', encoded.globalText, inputs.globalImage.shape.join(' '));
  }
  return encoded;
}

const total = (
  loss: tf.Scalar,
  { global, local }: AlignmentIteration['losses'],
  weights: { global: number; local: number },
): tf.Scalar => {
  const terms = [global && tf.mul(global, weights.global), local && tf.mul(local, weights.local)];
  return terms.reduce<tf.Tensor>((sum, term) => (term ? tf.add(sum, term) : sum), loss) as tf.Scalar;
};

/** One noise per iteration; the factor keeps them apart from those of neighbouring steps. */
const streamSeed = (seed: number, iteration: number): number => (seed + Math.imul(iteration, 0x9e3779b1)) >>> 0;
