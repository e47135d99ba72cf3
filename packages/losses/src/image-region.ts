import {
  checkChoice,
  checkGradients,
  checkNumber,
  checkShape,
  OptionError,
  type SimilarityKind,
} from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { attend } from './attend';
import { asCounts, constant, isOn } from './constant';
import { LOWEST } from './log-sum-exp';
import { matchingLoss } from './matching';
import {
  asScalar,
  asTemperature,
  checkChunkSize,
  checkReduction,
  type Directions,
  directionWeights,
  type Learnable,
  type Reduced,
  type Reduction,
} from './options';
import { type Cosines, type ImageBlock, imagesPerBlock, overImages, regionCosines } from './over-images';
import { reduceRows } from './reduce';
import { placeRows, rowsOn, takeRows } from './rows';
import { smoothMax } from './smooth-max';
import { keepOn, keywordWeights, tokenMask } from './tokens';
import { unitRows } from './unit-rows';

/** Options of {@link imageRegionLoss}. */
export interface ImageRegionOptions<R extends Reduction = Reduction> {
  keys?: tf.Tensor;
  pixelWeights?: tf.Tensor;
  projection?: tf.Tensor;
  similarity?: { kind?: SimilarityKind; scale?: Learnable };
  attention?: 'linear' | 'softmax' | 'relu';
  attentionTemperature?: number;
  wordScore?: 'region' | 'smoothMax';
  keywordMask?: tf.Tensor;
  wordMask?: tf.Tensor;
  pixelMask?: tf.Tensor;
  aggregate?: 'mean' | 'logsumexp';
  temperature?: Learnable;
  directions?: Directions;
  reduction?: R;
  chunkSize?: number;
  groupSize?: number | undefined;
}

/** GLoRIA's factor in its log-sum-exp over words. */
const SHARPNESS = 5;

/**
 * Which image explains the words of a report? PLAN's local loss with other images as negatives, contrasted as in GLoRIA.
 *
 * The region of word i of report n in image m, and how well the image explains the report:
 *
 *     V_i^(m) = Σ_j q_mj f(S(w_i, k_mj)) v_mj          s(n, m) = mean over keywords i of ⟨norm(V_i^(m) Wproj), norm(w_i)⟩
 *     L       = cross-entropy of s/τ over the reports (image → text) + over the images (text → image)
 *
 * with S the scaled dot product (PLAN Eq 4) and f the identity (`'linear'`), `exp(·/attentionTemperature)` (`'softmax'`) or
 * max(·, 0) (`'relu'`). With `wordScore: 'smoothMax'` no region is formed: a word scores the smooth maximum over pixels of
 * its similarity, a · log Σ_j q_mj exp(S(w_i, k_mj) / a), a = attentionTemperature and q normalised to sum 1; softmax
 * attention is its derivative. With `aggregate: 'logsumexp'`, s is (1/5) log Σ_i exp(5 · cosine_i), as GLoRIA weighs words.
 *
 * With linear S the region is w_i C_m for one d × d matrix C_m per image, so no word–pixel matrix is built; otherwise the
 * word–pixel matrices of `chunkSize` images exist at a time. More than one block: computed again in the backward pass.
 *
 * @param words `[b, l, d]`, report n belongs to image n.
 * @param values `[b, p, d]` pixel features that are pooled.
 * @param options `keys` `[b, p, d]` that words are compared with, default `values`; `pixelWeights` q `[b, p]`, default 1;
 *   `projection` Wproj `[d, d]`; `similarity` kind `'scaledDot'` and scale; `attention`; `attentionTemperature`, default 1,
 *   with `'cosine'` 0.1; `wordScore`, default `'region'`; `wordMask`, `keywordMask` (may be straight-through), `pixelMask`;
 *   `aggregate`; `temperature` τ, default 0.1; `directions`, default `'sum'` (`'forward'` is image → text); `reduction`; `chunkSize` images per block,
 *   default as many as keep a block under sixteen million numbers (64 MB); `groupSize`: the batch is cut into groups of at
 *   most so many consecutive samples, as equal as can be, and a report is told apart from the images of its own group
 *   alone (time and memory fall by b / groupSize), default b.
 * @returns scalar for "mean" (over reports that have keywords) and "sum"; `[b]` for "none".
 * @throws {ShapeError} if shapes do not fit; {OptionError} if no report of the batch has a keyword.
 * @example
 * const x = tf.tensor3d([[[1, 0]], [[0, 1]]]);
 * await imageRegionLoss(x, x, { temperature: 1, directions: 'mean' }).data(); // 0.3133
 * @see Huang et al. 2021 (GLoRIA), ICCV
 */
export function imageRegionLoss<R extends Reduction = 'mean'>(
  words: tf.Tensor,
  values: tf.Tensor,
  {
    keys = values,
    pixelWeights,
    projection,
    similarity: { kind = 'scaledDot', scale = 1 } = {},
    attention = 'linear',
    attentionTemperature = kind === 'cosine' ? 0.1 : 1,
    wordScore = 'region',
    keywordMask,
    wordMask,
    pixelMask,
    aggregate = 'mean',
    temperature = 0.1,
    directions = 'sum',
    reduction = 'mean' as R,
    chunkSize,
    groupSize,
  }: ImageRegionOptions<R> = {},
): Reduced<R> {
  checkGradients('imageRegionLoss');
  const sizes = checkShape('words', words, 'b l d');
  checkShape('values', values, 'b p d', sizes);
  checkShape('keys', keys, 'b p d', sizes);
  if (pixelWeights) checkShape('pixelWeights', pixelWeights, 'b p', sizes);
  if (pixelMask) checkShape('pixelMask', pixelMask, 'b p', sizes);
  if (projection) checkShape('projection', projection, 'd d', sizes);
  checkChoice('similarity.kind', kind, ['scaledDot', 'cosine', 'dot']);
  checkChoice('attention', attention, ['linear', 'softmax', 'relu']);
  checkNumber('attentionTemperature', attentionTemperature, { above: 0 });
  checkWordScore(wordScore, attention, projection);
  checkChoice('aggregate', aggregate, ['mean', 'logsumexp']);
  checkReduction(reduction);
  const weigh = directionWeights(directions);
  const [b, l, d] = words.shape as [number, number, number];
  const p = values.shape[1]!;
  const asked = checkChunkSize(chunkSize, b);
  const groups = groupsOf(b, groupSize);

  return tf.tidy(() => {
    const on = tokenMask('wordMask', wordMask, 'b l', sizes);
    const { kept, weights, has } = keywordWeights(keywordMask, on, sizes, wordMask && 'wordMask');
    const factor = tf.div(asScalar('similarity.scale', scale), kind === 'scaledDot' ? Math.sqrt(d) : 1);
    const tau = asTemperature('temperature', temperature);
    const pixelsOn = pixelMask && isOn(pixelMask);
    const pixels = keepOn(values, pixelsOn);
    const compared = keys === values ? pixels : keepOn(keys, pixelsOn);
    const all = {
      words: keepOn(words, wordMask && on),
      on,
      kept,
      weights,
      has,
      values: pixels,
      keys: kind === 'cosine' ? unitRows(compared) : compared,
      pixelWeights: pixelsOn && pixelWeights ? tf.where(pixelsOn, pixelWeights, 0) : pixelWeights,
      pixelMask: pixelsOn && asCounts(pixelsOn),
    };

    const rows = splitBatch(all, groups).map((group) => {
      const n = group.words.shape[0];
      const validRows = rowsOn(wordMask && group.on);
      const flat = takeRows(tf.reshape(group.words, [n * l, d]), validRows);
      const units = unitRows(flat);
      const cosines = overImages(
        { queries: tf.mul(kind === 'cosine' ? units : flat, factor), units },
        { values: group.values, keys: group.keys, weights: group.pixelWeights, mask: group.pixelMask, projection },
        chunkSize === undefined ? imagesPerBlock(flat.shape[0]!, p, d) : Math.min(asked, n),
        wordScore === 'smoothMax'
          ? smoothMaxima(attentionTemperature)
          : regionCosinesBy(attention, attentionTemperature),
      );
      const perImage = tf.reshape(placeRows(cosines, validRows, n * l), [n, l, n]);
      const scores = aggregate === 'mean' ? mean(perImage, group.weights) : sharpMean(perImage, group.kept, group.has);
      const forward = tf.div(tf.transpose(scores), tau);
      return matchingLoss({ forward, has: group.has, weights: weigh, reduction: 'none' });
    });
    return reduceRows(rows.length === 1 ? rows[0]! : tf.concat(rows), has, reduction);
  });
}

/** Sizes of the groups: none larger than asked for, and no two further apart than one. */
function groupsOf(batch: number, groupSize: number | undefined): number[] {
  if (groupSize === undefined) return [batch];
  checkNumber('groupSize', groupSize, { minimum: 1, integer: true });
  const count = Math.ceil(batch / groupSize);
  return Array.from(
    { length: count },
    (_, i) => Math.floor((batch * (i + 1)) / count) - Math.floor((batch * i) / count),
  );
}

/** Every tensor cut along the batch; tf.split, because its gradient is one concat. */
function splitBatch<T extends Record<string, tf.Tensor | undefined>>(all: T, sizes: number[]): T[] {
  if (sizes.length === 1) return [all];
  const parts = Object.entries(all).map(([name, tensor]) => [name, tensor && tf.split(tensor, sizes, 0)] as const);
  return sizes.map((_, i) => Object.fromEntries(parts.map(([name, part]) => [name, part?.[i]])) as T);
}

const mean = (cosines: tf.Tensor, weights: tf.Tensor) => tf.sum(tf.mul(cosines, tf.expandDims(weights, 2)), 1);

/** (1/5) log Σ_i κ_i exp(5 c_i): cosines are bounded, so the exponentials are too. */
function sharpMean(cosines: tf.Tensor, kept: tf.Tensor, has: tf.Tensor): tf.Tensor {
  const sums = tf.sum(tf.mul(tf.exp(tf.mul(cosines, SHARPNESS)), tf.expandDims(kept, 2)), 1);
  return tf.div(tf.log(tf.where(tf.expandDims(has, 1), sums, 1)), SHARPNESS);
}

function checkWordScore(wordScore: 'region' | 'smoothMax', attention: string, projection: tf.Tensor | undefined): void {
  checkChoice('wordScore', wordScore, ['region', 'smoothMax']);
  if (wordScore === 'region' || (attention === 'softmax' && !projection)) return;
  throw new OptionError(
    `wordScore: expected 'region' with attention '${attention}'${projection ? ' and a projection' : ''}, got 'smoothMax', ` +
      "which needs 'softmax' and none",
  );
}

const regionCosinesBy = (attention: 'linear' | 'softmax' | 'relu', temperature: number): Cosines =>
  attention === 'linear' ? linearCosines : attending(attention, temperature);

const smoothMaxima =
  (temperature: number): Cosines =>
  ({ queries }, { keys, weights, mask }: ImageBlock) =>
    smoothMax(queries, keys, logShares(keys, weights, mask), temperature);

/** log(q_j / Σ q) over the valid pixels of each image, `[c, p]`; an image without any, whose keys are all 0, scores 0. */
function logShares(keys: tf.Tensor, weights: tf.Tensor | undefined, mask: tf.Tensor | undefined): tf.Tensor {
  const [c, p] = keys.shape as [number, number];
  const given = weights ?? mask ?? tf.ones([c, p]);
  const positive = constant(() => tf.greater(given, 0));
  const used = constant(() => tf.logicalOr(positive, tf.logicalNot(tf.any(positive, 1, true))));
  const q = tf.where(positive, given, 1);
  const total = tf.sum(tf.where(used, q, 0), 1, true);
  return tf.where(used, tf.log(tf.div(q, total)), LOWEST);
}

/** V_i = w_i C with C = Σ_j q_j k_jᵀ v_j: one d × d matrix per image. */
const linearCosines: Cosines = ({ queries, units }, { values, keys, weights, projection }) => {
  const [c, , d] = values.shape as [number, number, number];
  const weighted = weights ? tf.mul(keys, tf.expandDims(weights, 2)) : keys;
  let matrices = tf.matMul(weighted, values, true, false);
  if (projection) matrices = tf.matMul(tf.reshape(matrices, [c * d, d]), projection);
  const side = tf.reshape(tf.transpose(tf.reshape(matrices, [c, d, d]), [1, 0, 2]), [d, c * d]);
  const regions = tf.reshape(tf.matMul(queries, side), [-1, c, d]);
  return tf.sum(tf.mul(unitRows(regions), tf.expandDims(units, 1)), 2);
};

/** Regions by attention that is not linear in the words. */
const attending =
  (attention: 'softmax' | 'relu', temperature: number): Cosines =>
  ({ queries, units }, block: ImageBlock) => {
    const { values, keys, weights, mask } = block;
    const weighted = weights ? tf.mul(values, tf.expandDims(weights, 2)) : values;
    const regions = attend(queries, keys, weighted, {
      attention,
      temperature: attention === 'softmax' ? temperature : 1,
      mask: mask && isOn(tf.expandDims(mask, 1)),
    });
    return regionCosines(regions, block, units);
  };
