import { linear } from '@medalign/ops';
import { checkChoice, checkGradients, checkNumber, checkShape, OptionError, ShapeError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import type { Activation } from './activation';
import { checkRates, type DropRates, dropsOf } from './drops';
import { Initialiser } from './initialise';
import { LayerNorm } from './layers';
import { Linear } from './linear';
import type { Fit } from './load-state';
import { Module } from './module';
import type { NameMap } from './names';
import { bicubicMatrix, type Interpolation, resampleGrid } from './position-embedding';
import type { StateDict } from './state';
import { TransformerBlock } from './transformer-block';
import { vitNames } from './vit-names';

/** The shape of a vision transformer. The defaults are those of timm's `vit_base_patch16_224`. */
export type VisionTransformerOptions = {
  /** Pixels, or [height, width], that the position embeddings are for; a multiple of the patch size. Default 224. */
  imageSize?: number | readonly [number, number];
  /** Side of a patch in pixels, default 16. */
  patchSize?: number;
  /** 1 for grey images, default 3. */
  inChannels?: number;
  /** d, default 768. */
  width?: number;
  /** Transformer blocks, default 12. */
  layers?: number;
  /** Attention heads; must divide the width. Default width / 64. */
  heads?: number;
  /** Width inside the feed-forward part, default 4 · width. */
  intermediateSize?: number;
  /** Between the two feed-forward maps, default 'gelu' (exact); OpenAI's CLIP wants 'quick-gelu'. */
  activation?: Activation;
  /** Default 1e-6 (timm); Hugging Face's ViT has 1e-12, CLIP 1e-5. */
  layerNormEpsilon?: number;
  /** Whether queries, keys and values have a bias, default true. */
  qkvBias?: boolean;
  /** Normalise before the first block, and no bias on the patches (CLIP). Default false. */
  preNorm?: boolean;
  /** Learned scale of each branch (DINOv2): its initial value. Default none. */
  layerScale?: number;
  /** Outputs of a linear map of the class token, without bias (CLIP). Default none. */
  projection?: number;
  /** Rate of dropout after the position embeddings, the attention and the feed-forward part, default 0; only in training. */
  dropout?: number;
  /** Rate of the dropout of attention weights, default that of `dropout`. */
  attentionDropout?: number;
  /** How position embeddings are resampled for another image size, default 'timm'. */
  interpolation?: Interpolation;
  /** Seed of the initial values, default 0. */
  seed?: number;
};

/**
 * ViT image encoder with timm's arithmetic and parameter names (`patch_embed.proj.weight`, `blocks.0.attn.qkv.weight`, …).
 *
 * `loadStateDict` also takes the names of Hugging Face (ViT, DINOv2, CLIP's vision tower) and open_clip, under any prefix;
 * position embeddings for another image size are resampled as `interpolation` says. An image of another size than
 * `imageSize` has them resampled on the way, with a gradient.
 *
 * @example
 * const encoder = new VisionTransformer({ imageSize: 32, patchSize: 8, width: 16, layers: 2, heads: 2 });
 * const { classToken, patchTokens, grid } = encoder.apply(tf.zeros([2, 32, 32, 3]));
 * classToken.shape; // [2, 16]
 * patchTokens.shape; // [2, 16, 16]
 * encoder.apply(tf.zeros([1, 48, 32, 3])).grid; // [6, 4]
 * encoder.dispose();
 * @see Dosovitskiy et al. 2021, arXiv 2010.11929
 */
export class VisionTransformer extends Module {
  readonly width: number;
  readonly patchSize: number;
  /** Patches down and across at `imageSize`. */
  readonly grid: readonly [number, number];
  readonly interpolation: Interpolation;
  private readonly inChannels: number;
  private readonly rates: DropRates;
  private readonly classToken: tf.Variable;
  private readonly positions: tf.Variable;
  private readonly patches: PatchEmbedding;
  private readonly preNorm: LayerNorm | undefined;
  private readonly blocks: TransformerBlock[];
  private readonly norm: LayerNorm;
  private readonly projection: Linear | undefined;

  /** @throws OptionError for sizes that are not whole numbers, or do not divide each other. */
  constructor({
    imageSize = 224,
    patchSize = 16,
    inChannels = 3,
    width = 768,
    layers = 12,
    heads = Math.max(1, Math.floor(width / 64)),
    intermediateSize = 4 * width,
    activation = 'gelu',
    layerNormEpsilon = 1e-6,
    qkvBias = true,
    preNorm = false,
    layerScale,
    projection,
    dropout = 0,
    attentionDropout = dropout,
    interpolation = 'timm',
    seed = 0,
  }: VisionTransformerOptions = {}) {
    super();
    const [height, across] = typeof imageSize === 'number' ? [imageSize, imageSize] : imageSize;
    const sizes = { imageSize: height, 'imageSize (width)': across, patchSize, inChannels, width, layers, heads };
    for (const [name, value] of Object.entries({ ...sizes, intermediateSize, projection: projection ?? 1 })) {
      checkNumber(name, value, { minimum: 1, integer: true });
    }
    if (height % patchSize !== 0 || across % patchSize !== 0)
      throw new OptionError(`imageSize: expected a multiple of patchSize ${patchSize}, got ${imageSize}`);
    if (width % heads !== 0) throw new OptionError(`heads: expected a divisor of width ${width}, got ${heads}`);
    this.interpolation = checkChoice('interpolation', interpolation, ['timm', 'huggingface']);
    this.rates = checkRates(dropout, attentionDropout);
    this.width = width;
    this.patchSize = patchSize;
    this.inChannels = inChannels;
    this.grid = [height / patchSize, across / patchSize];
    const initialiser = new Initialiser(seed);
    const places = 1 + this.grid[0] * this.grid[1];
    this.classToken = this.add('cls_token', initialiser.normal(width, 0.02), [1, 1, width]);
    this.positions = this.add('pos_embed', initialiser.normal(places * width, 0.02), [1, places, width]);
    const patch = { size: patchSize, inChannels, width, bias: !preNorm };
    this.patches = this.addChild('patch_embed.proj', new PatchEmbedding(patch, initialiser));
    if (preNorm) this.preNorm = this.addChild('norm_pre', new LayerNorm(width, layerNormEpsilon));
    const block = { width, heads, intermediateSize, layerNormEpsilon, activation, qkvBias, layerScale };
    this.blocks = Array.from({ length: layers }, (_, i) =>
      this.addChild(`blocks.${i}`, new TransformerBlock(block, initialiser)),
    );
    this.norm = this.addChild('norm', new LayerNorm(width, layerNormEpsilon));
    if (projection !== undefined) {
      const stddev = 1 / Math.sqrt(width);
      this.projection = this.addChild('proj', new Linear(width, projection, { bias: false, stddev, initialiser }));
    }
  }

  /**
   * Encodes images.
   *
   * @param images `[b, h, w, c]`, normalised as the checkpoint wants it; h and w multiples of the patch size.
   * @param options `training` switches dropout on, and then `seed` (another one for every step) fixes its masks.
   *   `checkpoint`: each block is computed again for its gradient instead of keeping what it needs (less memory, the same
   *   numbers, a third more time).
   * @returns `tokens` `[b, 1 + p, d]` after the last normalisation; of them `classToken` `[b, d]` and `patchTokens`
   *   `[b, p, d]`, row by row of the `grid` [h / patch, w / patch]; `projected` `[b, e]` where there is a projection.
   * @throws ShapeError if the channels are not the model's or the patches do not fill the image; OptionError without a seed.
   */
  apply(
    images: tf.Tensor,
    { training = false, seed, checkpoint = false }: { training?: boolean; seed?: number; checkpoint?: boolean } = {},
  ): {
    classToken: tf.Tensor2D;
    patchTokens: tf.Tensor3D;
    tokens: tf.Tensor3D;
    grid: [number, number];
    projected?: tf.Tensor2D;
  } {
    checkShape('images', images, `b h w ${this.inChannels}`);
    const [b, h, w] = images.shape as [number, number, number];
    const { patchSize: size, width: d } = this;
    if (h % size !== 0 || w % size !== 0) {
      throw new ShapeError(
        `images: expected height and width to be multiples of the patch size ${size}, got ${h} × ${w}. Fix: resize, crop or pad`,
      );
    }
    checkGradients('VisionTransformer.apply');
    const drops = dropsOf(this.rates, { training, seed });
    const grid: [number, number] = [h / size, w / size];
    const result = tf.tidy(() => {
      const patches = this.patches.apply(images as tf.Tensor4D);
      const first = tf.broadcastTo(this.classToken, [b, 1, d]);
      const embedded = tf.add(tf.concat([first, patches], 1), this.positionsFor(grid));
      let x = drops?.hidden(embedded) ?? embedded;
      if (this.preNorm) x = this.preNorm.apply(x);
      for (const block of this.blocks) x = checkpoint ? block.applyTwice(x, drops) : block.apply(x, drops);
      const tokens = this.norm.apply(x) as tf.Tensor3D;
      const classToken = tf.reshape(tf.slice(tokens, [0, 0, 0], [b, 1, d]), [b, d]) as tf.Tensor2D;
      const patchTokens = tf.slice(tokens, [0, 1, 0], [b, grid[0] * grid[1], d]);
      const projected = this.projection?.apply(classToken) as tf.Tensor2D | undefined;
      return { classToken, patchTokens, tokens, ...(projected && { projected }) };
    });
    return { ...result, grid };
  }

  /** `[1, 1 + p, d]` for a grid. Resampling is linear, one matrix down and one across, so it has its gradient. */
  private positionsFor([h, w]: [number, number]): tf.Tensor {
    const [rows, columns] = this.grid;
    if (h === rows && w === columns) return this.positions;
    const d = this.width;
    const resample = (from: number, to: number, grid: tf.Tensor) =>
      tf.matMul(tf.tensor2d(bicubicMatrix(from, to, this.interpolation), [to, from]), tf.reshape(grid, [from, -1]));
    const patches = tf.slice(this.positions, [0, 1, 0], [1, rows * columns, d]);
    const down = tf.reshape(resample(rows, h, patches), [h, columns, d]);
    const across = tf.reshape(resample(columns, w, tf.transpose(down, [1, 0, 2])), [w, h, d]);
    const resampled = tf.reshape(tf.transpose(across, [1, 0, 2]), [1, h * w, d]);
    return tf.concat([tf.slice(this.positions, [0, 0, 0], [1, 1, d]), resampled], 1);
  }

  protected override nameMap(state: StateDict): NameMap {
    return vitNames(state);
  }

  /** Position embeddings without PyTorch's batch axis get one; those of another, square grid are resampled. */
  protected override fit(name: string, entry: Parameters<Fit>[1], expected: number[]): ReturnType<Fit> {
    if (name === 'cls_token' && entry.data.length === this.width) return { entry: { ...entry, shape: expected } };
    const places = entry.data.length / this.width;
    if (name !== 'pos_embed' || entry.shape.at(-1) !== this.width || places !== entry.shape.at(-2)) return { entry };
    if (places === expected[1]) return { entry: { ...entry, shape: expected } };
    const side = Math.sqrt(places - 1);
    if (!Number.isInteger(side) || side === 0) return { entry };
    const values = Float32Array.from(entry.data as ArrayLike<number>);
    const data = new Float32Array(expected[1]! * this.width);
    data.set(values.subarray(0, this.width));
    const resampled = resampleGrid(values.subarray(this.width), [side, side], this.grid, this.interpolation);
    data.set(resampled, this.width);
    return { entry: { shape: expected, data }, resized: `${side} × ${side} → ${this.grid.join(' × ')}` };
  }
}

/** A linear map of every patch: a convolution whose stride is its size, as one product of matrices. */
class PatchEmbedding extends Module {
  private readonly size: number;
  private readonly weight: tf.Variable;
  private readonly bias: tf.Variable | undefined;

  constructor(
    { size, inChannels, width, bias }: { size: number; inChannels: number; width: number; bias: boolean },
    initialiser: Initialiser,
  ) {
    super();
    this.size = size;
    const values = initialiser.normal(size * size * inChannels * width, 0.02);
    this.weight = this.add('weight', values, [size, size, inChannels, width], { layout: 'convolution' });
    if (bias) this.bias = this.add('bias', new Float32Array(width), [width]);
  }

  /** `[b, h, w, c]` → `[b, p, d]`. */
  apply(images: tf.Tensor4D): tf.Tensor3D {
    const [b, h, w, c] = images.shape;
    const { size } = this;
    const [rows, columns] = [h / size, w / size];
    const cut = tf.reshape(images, [b * rows, size, columns, size * c]);
    const patches = tf.reshape(tf.transpose(cut, [0, 2, 1, 3]), [b, rows * columns, size * size * c]);
    return linear(patches, tf.reshape(this.weight, [size * size * c, -1]), { bias: this.bias }) as tf.Tensor3D;
  }
}

type Preset = Omit<VisionTransformerOptions, 'width' | 'layers' | 'heads' | 'intermediateSize'>;

/** ViT-S: width 384, 12 blocks, 6 heads, 21.7 M parameters with patches of 16. */
export const vitSmall = (options: Preset = {}) =>
  new VisionTransformer({ width: 384, layers: 12, heads: 6, ...options });
/** ViT-B: width 768, 12 blocks, 12 heads, 85.8 M parameters with patches of 16. */
export const vitBase = (options: Preset = {}) =>
  new VisionTransformer({ width: 768, layers: 12, heads: 12, ...options });
/** ViT-L: width 1024, 24 blocks, 16 heads, 303 M parameters with patches of 16. */
export const vitLarge = (options: Preset = {}) =>
  new VisionTransformer({ width: 1024, layers: 24, heads: 16, ...options });
