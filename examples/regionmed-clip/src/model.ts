import { Bert, Linear } from '@medalign/encoders';
import {
  combineLosses,
  infoNce,
  logitScale,
  lossUncertainties,
  negativeCaptionLoss,
  roiInfoNce,
  temperatureFrom,
} from '@medalign/losses';
import { embedding } from '@medalign/ops';
import { cropRois, RoiProcessor, roiAlign } from '@medalign/roi-processor';
import { l2Normalize } from '@medalign/similarity';
import { addPrefix } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { type Config, type LossName, lossNames } from './config';
import type { Inputs, Labels, Tokens } from './data';
import { type EncodedImages, ImageEncoder, withCoordinates } from './image-encoder';

/** `training`: batch statistics and dropout; `seed`: another one for every step. */
export interface StepOptions {
  training?: boolean;
  seed?: number;
  /** The rows of all replicas, for those of this one. */
  gather?: (rows: tf.Tensor3D) => tf.Tensor3D;
}

/** What the image side gives, all of unit norm. */
export type EncodedRegions = EncodedImages & {
  /** `[b, d]` */
  global: tf.Tensor2D;
  /** `[b, r, d]` as encoded, before they have looked at their image; 0 where padded. */
  rois: tf.Tensor3D;
  /** `[b, r, d]` after it (Eqs 12–17). */
  fused: tf.Tensor3D;
};

/** Unit vectors of a whole batch, as the losses take them. */
export interface Vectors {
  image: tf.Tensor2D;
  text: tf.Tensor2D;
  /** Of stages with a region loss. */
  regions?: { fused: tf.Tensor3D; captions: tf.Tensor2D; negatives: tf.Tensor3D };
}

const regionLosses: readonly string[] = ['roi', 'negative'];

/** Whether these losses need ROIs, captions and negatives. */
export const needsRegions = (losses: readonly string[]) => losses.some((name) => regionLosses.includes(name));

/** Whether a batch has anything to say to these losses: a region loss alone has nothing to learn from images without ROIs. */
export const hasTerm = (losses: readonly LossName[], labels: Labels) =>
  losses.some((name) => activeTerms(labels)[name]);

/** Which losses a batch has a term for. */
export function activeTerms({ size, roiMask, negativeMask }: Labels): Record<LossName, boolean> {
  const any = (mask: Float32Array, image: number) => {
    const each = mask.length / size;
    return mask.subarray(image * each, (image + 1) * each).some((on) => on === 1);
  };
  const images = Array.from({ length: size }, (_, i) => i);
  const roi = images.some((i) => any(roiMask, i));
  return { global: true, roi, negative: images.some((i) => any(roiMask, i) && any(negativeMask, i)) };
}

/** An image encoder, a BERT, their projections, the ROI processor and the loss weights: everything that has parameters. */
export class RegionMedModel {
  readonly image: ImageEncoder;
  readonly bert: Bert;
  readonly heads: { image: Linear; text: Linear };
  readonly processor: RoiProcessor;
  /** Kendall's s of each loss; none with fixed weights. */
  readonly uncertainties: Map<string, tf.Variable>;
  /** ln(1/τ), if it is learned. */
  readonly logitScale: tf.Variable<tf.Rank.R0> | undefined;
  readonly #config: Config;

  constructor(config: Config, { vocabularySize }: { vocabularySize: number }) {
    this.#config = config;
    const { model, loss, seed } = config;
    const { hiddenSize, layers, heads, intermediateSize, maxPositions, dropout } = model.text;
    this.image = new ImageEncoder(config, { seed });
    this.bert = new Bert({
      vocabSize: vocabularySize,
      hiddenSize,
      layers,
      heads,
      intermediateSize,
      maxPositions,
      dropout,
      seed: seed + 2,
    });
    this.heads = {
      image: new Linear(this.image.width, model.width, { bias: false, seed: seed + 3 }),
      text: new Linear(hiddenSize, model.width, { bias: false, seed: seed + 4 }),
    };
    const { keys, globalToken, boxEncoding, max } = model.roi;
    this.processor = new RoiProcessor({
      width: model.width,
      heads: model.roi.heads,
      contextWidth: this.image.width,
      keys,
      globalToken,
      boxEncoding,
      maxRois: max,
      seed: seed + 5,
    });
    const { weighting } = loss;
    this.uncertainties = weighting === 'fixed' ? new Map() : lossUncertainties(lossNames, { weighting });
    if (loss.learnTemperature) this.logitScale = logitScale(loss.temperature);
  }

  // ── Images ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** `[b, d]` unit vectors of images, and their tokens. */
  encodeImages(images: tf.Tensor4D, { training = false, seed = 0 }: StepOptions = {}) {
    return tf.tidy(() => {
      const encoded = this.image.apply(this.#placed(images), { training, seed });
      return { ...encoded, global: this.#projected(firstToken(encoded.tokens)) };
    });
  }

  /** Images, their ROIs, and the ROIs after they have looked at their image. */
  encodeRegions(
    { images, boxes, roiMask }: Pick<Inputs, 'images' | 'boxes' | 'roiMask'>,
    { training = false, seed = 0 }: StepOptions = {},
  ): EncodedRegions {
    return tf.tidy(() => {
      const { tokens, grid, features } =
        this.#config.model.roi.features === 'align'
          ? this.#alignedFeatures({ images, boxes, roiMask }, { training, seed })
          : this.#croppedFeatures({ images, boxes, roiMask }, { training, seed });
      const global = this.#projected(firstToken(tokens));
      const rois = this.#projected(features);
      const { fused } = this.processor.apply({ rois, context: tokens, boxes, roiMask }, { attention: false });
      return { tokens, grid, global, rois, fused };
    });
  }

  /** `[b, heads, r, 1 + p]`: where each ROI looks, the global token first. */
  attention({ rois, tokens }: Pick<EncodedRegions, 'rois' | 'tokens'>, inputs: Pick<Inputs, 'boxes' | 'roiMask'>) {
    return tf.tidy(() => tf.clone(this.processor.apply({ rois, context: tokens, ...inputs }).attention));
  }

  /** The mean over each box of the patch grid: one pass for an image and all its ROIs. */
  #alignedFeatures(
    { images, boxes, roiMask }: Pick<Inputs, 'images' | 'boxes' | 'roiMask'>,
    how: Required<Pick<StepOptions, 'training' | 'seed'>>,
  ) {
    const { tokens, grid } = this.image.apply(this.#placed(images), how);
    const [b, t, c] = tokens.shape;
    const patches = tf.reshape(tf.slice(tokens, [0, 1, 0], [b, t - 1, c]), [b, ...grid, c]) as tf.Tensor4D;
    const cells = roiAlign(patches, boxes, { size: this.#config.model.roi.alignSize, roiMask });
    return { tokens, grid, features: tf.mean(cells, [2, 3]) as tf.Tensor3D };
  }

  /** Each ROI cut out and encoded as an image: its global token. Only crops that there are, not those of padding. */
  #croppedFeatures(
    { images, boxes, roiMask }: Pick<Inputs, 'images' | 'boxes' | 'roiMask'>,
    how: Required<Pick<StepOptions, 'training' | 'seed'>>,
  ) {
    const { cropSize = this.#config.image.crop, margin, aspect } = this.#config.model.roi;
    const [b, r] = roiMask.shape;
    const on = roiMask.dataSync();
    const placed = this.#placed(images);
    if (!on.some((one) => one === 1)) {
      const { tokens, grid } = this.image.apply(placed, how);
      return { tokens, grid, features: tf.zeros([b, r, this.image.width]) as tf.Tensor3D };
    }
    const crops = cropRois(placed, boxes, { size: cropSize, margin, aspect, roiMask, packed: true });
    let next = 0;
    const rows = tf.tensor2d(
      Int32Array.from(on, (one) => (one === 1 ? next++ : -1)),
      [b, r],
      'int32',
    );
    const spread = (own: tf.Tensor2D) => embedding(rows, own) as tf.Tensor3D;
    if (this.image.resnet) {
      // together: batch normalisation has one set of running statistics for both
      const { tokens, grid } = this.image.apply(tf.concat([placed, crops], 0), how);
      const [, t, c] = tokens.shape;
      const own = tf.slice(tokens, [0, 0, 0], [b, t, c]);
      return { tokens: own, grid, features: spread(firstToken(tf.slice(tokens, [b, 0, 0], [next, t, c]))) };
    }
    const { tokens, grid } = this.image.apply(placed, how);
    const ofCrops = this.image.apply(crops, { ...how, seed: (how.seed ^ 0x51ed270b) >>> 0 });
    return { tokens, grid, features: spread(firstToken(ofCrops.tokens)) };
  }

  #placed(images: tf.Tensor4D): tf.Tensor4D {
    return this.#config.model.image.coordinates ? withCoordinates(images) : images;
  }

  #projected<T extends tf.Tensor>(features: T): T {
    return l2Normalize(this.heads.image.apply(features)) as T;
  }

  // ── Texts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** `[n, d]` unit vectors, one for each text that was given; 0 for no text. */
  encodeTexts({ ids, attentionMask, rows }: Tokens, { training = false, seed = 0 }: StepOptions = {}): tf.Tensor2D {
    return tf.tidy(() => {
      const last = this.bert.apply({ ids, attentionMask }, { training, seed }).hiddenStates.at(-1)!;
      const pooled = this.#config.model.text.pool === 'cls' ? firstToken(last) : maskedMean(last, attentionMask);
      const vectors = l2Normalize(this.heads.text.apply(pooled)) as tf.Tensor2D;
      return embedding(tf.tensor1d(rows, 'int32'), vectors) as tf.Tensor2D;
    });
  }

  // ── Losses ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The losses of one stage over one batch (Eqs 2–4), of which this replica encodes its share. */
  loss(inputs: Inputs, losses: readonly LossName[], options: StepOptions = {}) {
    return this.combine(this.vectors(inputs, losses, options), inputs.labels, losses);
  }

  /** Encodes a share, and gathers those of all replicas in one exchange. */
  vectors(inputs: Inputs, losses: readonly LossName[], options: StepOptions = {}): Vectors {
    const { training = false, seed = 0, gather = (rows) => rows } = options;
    const how = { training, seed };
    const row = (x: tf.Tensor) => tf.expandDims(x, 1);
    const text = this.encodeTexts(inputs.texts, how);
    if (!needsRegions(losses) || !inputs.captions) {
      const { global } = this.encodeImages(inputs.images, how);
      const [image, own] = apart(gather(tf.concat([row(global), row(text)], 1) as tf.Tensor3D), [1, 1]);
      return { image: flat(image!), text: flat(own!) };
    }
    const { global, fused } = this.encodeRegions(inputs, how);
    const [b, r, d] = fused.shape;
    const k = this.#config.data.negatives;
    const captions = this.encodeTexts(inputs.captions, { training, seed: (seed ^ 0x2545f491) >>> 0 });
    const own = tf.slice(captions, [0, 0], [b, d]);
    const wrong = tf.reshape(tf.slice(captions, [b, 0], [b * k, d]), [b, k, d]);
    const all = gather(tf.concat([row(global), row(text), fused, row(own), wrong], 1) as tf.Tensor3D);
    const parts = apart(all, [1, 1, r, 1, k]);
    const regions = { fused: parts[2]!, captions: flat(parts[3]!), negatives: parts[4]! };
    return { image: flat(parts[0]!), text: flat(parts[1]!), regions };
  }

  /** The weighted sum of a stage's losses over a whole batch, and the losses and weights themselves. */
  combine({ image, text, regions }: Vectors, labels: Labels, losses: readonly LossName[]) {
    const { loss, data, model } = this.#config;
    const { size } = labels;
    const temperature = this.logitScale ? temperatureFrom(this.logitScale) : loss.temperature;
    const active = activeTerms(labels);
    const wanted = (name: LossName) => losses.includes(name) && active[name];
    const roiMask = tf.tensor2d(labels.roiMask, [size, model.roi.max]);
    const terms: Record<string, tf.Scalar | undefined> = {
      global: wanted('global')
        ? infoNce(image, text, { temperature, directions: 'mean', positives: equalIds(labels.textIds) })
        : undefined,
      roi:
        wanted('roi') && regions
          ? roiInfoNce(regions.fused, regions.captions, {
              roiMask,
              captionIds: tf.tensor1d(labels.captionIds, 'int32'),
              temperature,
              ...loss.roi,
            })
          : undefined,
      negative:
        wanted('negative') && regions
          ? negativeCaptionLoss(regions.fused, regions.negatives, {
              roiMask,
              negativeMask: tf.tensor2d(labels.negativeMask, [size, data.negatives]),
              mode: loss.negative.mode,
              temperature,
              ...(loss.negative.scale !== undefined && { scale: loss.negative.scale }),
              ...(loss.negative.mode === 'infonce' && { captions: regions.captions }),
            })
          : undefined,
    };
    const { weighting, weights } = loss;
    const combined = combineLosses(terms, {
      weighting,
      ...(weighting === 'fixed' ? { weights } : { uncertainties: this.uncertainties }),
    });
    const shown = Object.entries(combined.weights).map(([name, weight]) => [`weight.${name}`, weight] as const);
    return { total: combined.total, terms: { ...combined.terms, ...Object.fromEntries(shown) } };
  }

  /** τ: as given, or as learned so far. */
  temperature(): number {
    const { logitScale } = this;
    return logitScale ? tf.tidy(() => temperatureFrom(logitScale).dataSync()[0]!) : this.#config.loss.temperature;
  }

  // ── Parameters ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Trainable parameters, named `image.*`, `text.*`, `heads.*`, `roi.*`, `loss.*`. */
  parameters(): Map<string, tf.Variable> {
    return new Map([
      ...addPrefix('image', this.image.parameters()),
      ...addPrefix('text', this.bert.parameters()),
      ...Object.entries(this.heads).flatMap(([name, head]) => [...addPrefix(`heads.${name}`, head.parameters())]),
      ...addPrefix('roi', this.processor.parameters()),
      ...addPrefix('loss', this.uncertainties),
      ...(this.logitScale ? [['loss.logit_scale', this.logitScale] as const] : []),
    ]);
  }

  /** Parameters and running statistics: everything a checkpoint holds of the model. */
  variables(): Map<string, tf.Variable> {
    return new Map([...this.parameters(), ...addPrefix('image', this.image.buffers())]);
  }

  dispose(): void {
    for (const variable of this.variables().values()) variable.dispose();
  }
}

/** `[n, t, c]` → `[n, c]`. */
function firstToken(tokens: tf.Tensor3D): tf.Tensor2D {
  const [n, , c] = tokens.shape;
  return tf.reshape(tf.slice(tokens, [0, 0, 0], [n, 1, c]), [n, c]);
}

function maskedMean(tokens: tf.Tensor3D, mask: tf.Tensor2D): tf.Tensor2D {
  const sum = tf.sum(tf.mul(tokens, tf.expandDims(mask, 2)), 1);
  return tf.div(sum, tf.maximum(tf.sum(mask, 1, true), 1));
}

/** `[b, Σsizes, d]` → one `[b, size, d]` each. */
function apart(rows: tf.Tensor3D, sizes: number[]): tf.Tensor3D[] {
  const [b, , d] = rows.shape;
  let at = 0;
  return sizes.map((size) => {
    const part = tf.slice(rows, [0, at, 0], [b, size, d]);
    at += size;
    return part;
  });
}

/** `[b, 1, d]` → `[b, d]`. */
const flat = (rows: tf.Tensor3D) => tf.reshape(rows, [rows.shape[0], rows.shape[2]]) as tf.Tensor2D;

/** `[b, b]`: 1 where two texts say the same. */
function equalIds(ids: readonly number[]): tf.Tensor2D {
  const rows = ids.map((a) => ids.map((b) => Number(a === b)));
  return tf.tensor2d(rows);
}
