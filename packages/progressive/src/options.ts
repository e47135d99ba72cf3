import type {
  Attention,
  CoImportance,
  CoImportanceWeighting,
  ScalarLike,
  SimilarityOptions,
} from '@medalign/similarity';
import { checkChoice, checkNumber, checkShape, OptionError, ShapeError } from '@medalign/similarity';
import type * as tf from '@tensorflow/tfjs-core';
import type { SelectionOptions } from './select-keywords';

/** What one batch brings; letters as in {@link refineAlignment}. */
export interface AlignmentInputs {
  /** `[b, l, d]` word features W */
  words: tf.Tensor;
  /** `[b, p, d]` pixel features I, which regions are averaged from */
  pixels: tf.Tensor;
  /** `[b, p, d]` G = g(I), which words are compared with; I */
  projectedPixels?: tf.Tensor | undefined;
  /** `[d, d]` Wproj of Eq 11, rows in, columns out; identity */
  regionProjection?: tf.Tensor | undefined;
  /** α of Eq 5; 1 */
  alpha?: ScalarLike;
  /** β of Eq 5; 1 */
  beta?: ScalarLike;
  /** `[b, l]`, 1 = a word */
  wordMask?: tf.Tensor | undefined;
  /** `[b, p]`, 1 = a pixel of the image */
  pixelMask?: tf.Tensor | undefined;
  /** `[b, d]` image vectors of the global loss; without both globals there is none */
  globalImage?: tf.Tensor | undefined;
  /** `[b, d]` report vectors of the global loss */
  globalText?: tf.Tensor | undefined;
  /** `[b, b]`, 1 = image and report belong together; the diagonal */
  positives?: tf.Tensor | undefined;
}

/** The text encoder on the words that are left: a 0/1 mask `[b, l]` (a constant), and the iteration, 2 … T. */
export type EncodeWords = (
  wordMask: tf.Tensor2D,
  iteration: number,
) => { words: tf.Tensor; globalText?: tf.Tensor | undefined };

/** Options of {@link refineAlignment}. */
export interface AlignmentOptions {
  /** T; 3 */
  iterations?: number;
  /** δ of Eq 14 in [0, 1]; 0.5 */
  delta?: number;
  /** 'joint' (the method), 'initial' (Φref := Φ, T = 1), 'none' (global loss alone, T = 1) */
  local?: 'joint' | 'initial' | 'none';
  /** S_t from the words as they are, or from words encoded again without the dropped ones */
  features?: 'reuse' | 'reencode';
  /** needed for 'reencode' */
  encodeWords?: EncodeWords | undefined;
  /** what a word's region is told apart from; 'report' */
  negatives?: 'report' | 'pairs' | 'batch' | 'images';
  /** with negatives 'images': a report is told apart from the images of its group of so many samples; the whole batch */
  imageGroup?: number | undefined;
  /** what regions are averaged from: I as the paper writes, or G; 'pixels' */
  pool?: 'pixels' | 'projected';
  attention?: Attention;
  /** τ of softmax attention; 1, with cosine similarity 0.1 */
  attentionTemperature?: number;
  /**
   * with negatives 'images': a word scores an image by the cosine with its region, or by the smooth maximum over pixels of
   * its similarity (softmax attention only, no regionProjection); 'region'
   */
  wordScore?: 'region' | 'smoothMax';
  /** how S is computed; { kind: 'scaledDot', scale: 1 } */
  similarity?: SimilarityOptions;
  /** share of the words left that is kept in each iteration; 0.7 */
  keepRatio?: number;
  selection?: Pick<SelectionOptions, 'scale' | 'temperature' | 'noise'>;
  /** straight-through gradient and noise in the selection; false */
  training?: boolean;
  /** of the noise: another one each step, such as the step number */
  seed?: number | undefined;
  /** Eq 9; 'half' */
  weighting?: CoImportanceWeighting;
  /** of both losses; 'sum' */
  directions?: 'sum' | 'mean' | 'forward';
  /** τ2; 0.1 */
  localTemperature?: ScalarLike;
  /** τ1; 0.1 */
  globalTemperature?: ScalarLike;
  weights?: { global?: number; local?: number };
  /**
   * data-parallel training: the rows of all replicas for the rows of this one, `[b, d]` → `[B, d]`, differentiable; the
   * global loss is over all of them, the local loss over this replica's; `positives` is then `[B, B]`
   */
  gather?: ((vectors: tf.Tensor2D) => tf.Tensor) | undefined;
}

/** What one iteration saw and chose. */
export interface AlignmentIteration {
  /** `[b, l, p]` M_t; rows of words that are not left any more have no meaning */
  similarity: tf.Tensor3D;
  /** Φref of this iteration and what led to it */
  coImportance: CoImportance;
  /** `[b, l]` 0/1, the words handed on */
  keywordMask: tf.Tensor2D;
  /**
   * `[b, l, d]` unit vectors, 0 for words not left; with negatives 'images' the loss does not need them, and training
   * leaves them out
   */
  regions?: tf.Tensor3D;
  /** unweighted scalars */
  losses: { global?: tf.Scalar; local?: tf.Scalar };
}

/** What {@link refineAlignment} returns: the loss, and what each iteration saw and chose. */
export interface Alignment {
  /** scalar */
  loss: tf.Scalar;
  iterations: AlignmentIteration[];
}

export function checkInputs(inputs: AlignmentInputs, { gather }: AlignmentOptions): void {
  const sizes = checkShape('words', inputs.words, 'b l d');
  checkShape('pixels', inputs.pixels, 'b p d', sizes);
  if (inputs.projectedPixels) checkShape('projectedPixels', inputs.projectedPixels, 'b p d', sizes);
  if (inputs.regionProjection) checkShape('regionProjection', inputs.regionProjection, 'd d', sizes);
  if (inputs.wordMask) checkShape('wordMask', inputs.wordMask, 'b l', sizes);
  if (inputs.pixelMask) checkShape('pixelMask', inputs.pixelMask, 'b p', sizes);
  if (inputs.globalImage) checkShape('globalImage', inputs.globalImage, 'b g', sizes);
  if (inputs.globalText) checkShape('globalText', inputs.globalText, 'b g', sizes);
  if (inputs.positives) checkShape('positives', inputs.positives, gather ? 'n n' : 'b b', sizes);
  if (!inputs.globalImage !== !inputs.globalText) {
    throw new ShapeError(
      `${inputs.globalImage ? 'globalText' : 'globalImage'}: expected a tensor [b, g] beside ` +
        `${inputs.globalImage ? 'globalImage' : 'globalText'}, got undefined. Fix: pass both, or neither for no global loss`,
    );
  }
  if (inputs.wordMask && !inputs.wordMask.dataSync().some((value) => value !== 0)) {
    throw new OptionError(
      'wordMask: expected at least one word in the batch, got a mask of zeros. Fix: leave such a batch out',
    );
  }
}

export function checkOptions(
  {
    iterations = 3,
    delta = 0.5,
    local = 'joint',
    features = 'reuse',
    encodeWords,
    negatives = 'report',
    pool = 'pixels',
    wordScore = 'region',
    weights = {},
  }: AlignmentOptions,
  inputs: AlignmentInputs,
): void {
  checkNumber('iterations', iterations, { minimum: 1, integer: true });
  checkNumber('delta', delta, { minimum: 0, maximum: 1 });
  checkChoice('local', local, ['joint', 'initial', 'none']);
  checkChoice('features', features, ['reuse', 'reencode']);
  checkChoice('pool', pool, ['pixels', 'projected']);
  checkChoice('negatives', negatives, ['report', 'pairs', 'batch', 'images']);
  checkChoice('wordScore', wordScore, ['region', 'smoothMax']);
  if (wordScore === 'smoothMax' && negatives !== 'images') {
    throw new OptionError(
      `wordScore: expected negatives 'images' with 'smoothMax', got '${negatives}'. Fix: negatives: 'images', or wordScore: 'region'`,
    );
  }
  if (wordScore === 'smoothMax' && inputs.regionProjection) {
    throw new OptionError(
      "regionProjection: expected none with wordScore 'smoothMax', which forms no regions to project. Fix: leave it out",
    );
  }
  for (const [name, weight] of Object.entries(weights)) checkNumber(`weights.${name}`, weight, { minimum: 0 });
  if (features === 'reencode' && local === 'joint' && iterations > 1 && typeof encodeWords !== 'function') {
    throw new OptionError(
      `encodeWords: expected a function (wordMask, iteration) => { words, globalText } for features: 'reencode', got ` +
        `${typeof encodeWords}. Fix: pass it, or use features: 'reuse'`,
    );
  }
  if (local === 'none' && !inputs.globalImage) {
    throw new OptionError(`local: 'none' leaves the global loss alone, but globalImage and globalText were not given`);
  }
}
