import { gelu, scaledDotProductAttention } from '@medalign/ops';
import { checkGradients, checkNumber, checkShape, OptionError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { checkRates, type Drops, dropsOf } from './drops';
import { Initialiser } from './initialise';
import { LayerNorm } from './layers';
import { Linear } from './linear';
import { Module } from './module';

/** The shape of an answer head. */
export type AnswerHeadOptions = {
  /** Width of an image's vector. */
  image: number;
  /** Width of a question's vector. */
  question: number;
  /** Width of a region's vector; without it the head reads no regions. */
  region?: number;
  /** Classes: the answers that can be given. */
  answers: number;
  /** Width h that everything is brought to, default 512. */
  hidden?: number;
  /** Rate before both maps of the classifier, default 0.5; only active when training. */
  dropout?: number;
  /** Seed of the initial values, default 0. */
  seed?: number;
};

/** What is asked, and of what: n questions, each with the vectors of its image. */
export type AnswerInputs = {
  /** `[n, image]` */
  image: tf.Tensor;
  /** `[n, question]` */
  question: tf.Tensor;
  /** `[n, r, region]`, if the head was made with regions. */
  regions?: tf.Tensor;
  /** `[n, r]` 0/1, 1 = a region; default: all are. */
  regionMask?: tf.Tensor;
};

/**
 * Visual question answering as classification: from an image, its regions and a question to a logit for each answer.
 *
 *     v = LN(image) Wv + bv      u_i = LN(region_i) Wu + bu      q = LN(question) Wq + bq         each of width h
 *     ū = Σ_i a_i u_i,  a = softmax_i(⟨q, u_i⟩ / √h)         the question chooses among the valid regions
 *     logits = drop(gelu(drop([q, v, q∘v, ū, q∘ū]) W0 + b0)) W1 + b1
 *
 * Vectors of any norm come in: each is layer-normalised first. Without a valid region ū is 0. Padded regions may hold
 * anything, NaN included. Names are those of `nn.Sequential`s called `image`, `region`, `question`, `classifier`.
 *
 * @example
 * const head = new AnswerHead({ image: 8, region: 8, question: 6, answers: 3, hidden: 16, seed: 1 });
 * const inputs = { image: tf.ones([2, 8]), regions: tf.ones([2, 4, 8]), question: tf.ones([2, 6]) };
 * head.apply(inputs).shape; // [2, 3]
 * head.apply(inputs, { training: true, seed: 7 }).shape; // [2, 3]
 * head.dispose();
 * @see Anderson et al. 2018, arXiv 1707.07998; Teney et al. 2018, arXiv 1708.02711
 */
export class AnswerHead extends Module {
  private readonly widths: Pick<AnswerHeadOptions, 'image' | 'question' | 'region'>;
  private readonly rate: number;
  private readonly projections: Record<'image' | 'question' | 'region', Projection | undefined>;
  private readonly first: Linear;
  private readonly second: Linear;

  /** @throws OptionError for sizes that are not whole numbers, or a dropout outside [0, 1). */
  constructor({ image, question, region, answers, hidden = 512, dropout = 0.5, seed = 0 }: AnswerHeadOptions) {
    super();
    for (const [name, value] of Object.entries({ image, question, region: region ?? 1, answers, hidden }))
      checkNumber(name, value, { minimum: 1, integer: true });
    this.rate = checkRates(dropout, 0).hidden;
    this.widths = { image, question, ...(region !== undefined && { region }) };
    const initialiser = new Initialiser(seed);
    const projection = (name: string, width: number) => this.addChild(name, new Projection(width, hidden, initialiser));
    this.projections = {
      image: projection('image', image),
      region: region === undefined ? undefined : projection('region', region),
      question: projection('question', question),
    };
    const parts = region === undefined ? 3 : 5;
    this.first = this.addChild('classifier.0', new Linear(parts * hidden, hidden, { initialiser }));
    this.second = this.addChild('classifier.3', new Linear(hidden, answers, { initialiser }));
  }

  /**
   * @param inputs see {@link AnswerInputs}.
   * @param options `training` switches dropout on, and then `seed` (another one for every step) fixes its masks.
   * @returns `[n, answers]` logits: `softmaxCrossEntropy` of @medalign/ops trains them, the largest is the answer.
   * @throws ShapeError if a shape does not fit; OptionError if regions are missing or too many, or without a seed.
   */
  apply(inputs: AnswerInputs, { training = false, seed }: { training?: boolean; seed?: number } = {}): tf.Tensor2D {
    this.check(inputs);
    checkGradients('AnswerHead.apply');
    const drops: Drops | undefined = dropsOf({ hidden: this.rate, attention: 0 }, { training, seed });
    const drop = (x: tf.Tensor) => drops?.hidden(x) ?? x;
    return tf.tidy(() => {
      const v = this.projections.image!.apply(inputs.image);
      const q = this.projections.question!.apply(inputs.question);
      const u = inputs.regions && this.chosenRegion(inputs.regions, inputs.regionMask, q);
      const joint = tf.concat([q, v, tf.mul(q, v), ...(u ? [u, tf.mul(q, u)] : [])], 1);
      return this.second.apply(drop(gelu(this.first.apply(drop(joint))))) as tf.Tensor2D;
    });
  }

  /** ū: `[n, h]`. */
  private chosenRegion(regions: tf.Tensor, mask: tf.Tensor | undefined, q: tf.Tensor): tf.Tensor {
    const [n, r] = regions.shape as [number, number];
    const on = mask && tf.broadcastTo(tf.expandDims(tf.cast(mask, 'bool'), 2), regions.shape);
    const u = this.projections.region!.apply(on ? tf.where(on, regions, tf.zerosLike(regions)) : regions);
    const h = u.shape[2]!;
    const keys = tf.reshape(u, [n, 1, r, h]);
    const chosen = scaledDotProductAttention(tf.reshape(q, [n, 1, 1, h]), keys, keys, mask ? { mask } : {});
    return tf.reshape(chosen, [n, h]);
  }

  private check({ image, question, regions, regionMask }: AnswerInputs): void {
    const { widths } = this;
    const sizes = checkShape('image', image, `n ${widths.image}`);
    checkShape('question', question, `n ${widths.question}`, sizes);
    if (regions && widths.region === undefined)
      throw new OptionError('regions: this head reads none. Fix: new AnswerHead({ region: <their width>, … })');
    if (!regions && widths.region !== undefined)
      throw new OptionError(
        `regions: expected [n, r, ${widths.region}], got none. Fix: pass them, or make the head without region`,
      );
    if (regions) checkShape('regions', regions, `n r ${widths.region}`, sizes);
    if (regionMask) checkShape('regionMask', regionMask, 'n r', sizes);
  }
}

/** Layer normalisation, then a linear map. */
class Projection extends Module {
  private readonly norm: LayerNorm;
  private readonly linear: Linear;

  constructor(inputs: number, outputs: number, initialiser: Initialiser) {
    super();
    this.norm = this.addChild('0', new LayerNorm(inputs, 1e-5));
    this.linear = this.addChild('1', new Linear(inputs, outputs, { initialiser }));
  }

  apply(x: tf.Tensor): tf.Tensor {
    return this.linear.apply(this.norm.apply(x));
  }
}
