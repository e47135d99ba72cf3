import { attentionWeights, gelu, layerNorm, linear, scaledDotProductAttention } from '@medalign/ops';
import {
  checkChoice,
  checkGradients,
  checkNumber,
  checkShape,
  l2Normalize,
  OptionError,
  ShapeError,
} from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { encodeBoxes } from './encode-boxes';
import { isOn, keepOn } from './masks';
import { Parameters } from './parameters';

/** Options of {@link RoiProcessor}. */
export interface RoiProcessorOptions {
  /** d, of the ROIs and of the result; 512 */
  width?: number;
  /** attention heads, a divisor of the width; 8 */
  heads?: number;
  /** c, of the context tokens; the width */
  contextWidth?: number;
  /** what an ROI asks: the image's global token and its patches, or, as the paper writes, its global vector alone; 'patches' */
  keys?: 'patches' | 'global';
  /** whether the first context token, the global one, is among the keys 'patches'; true */
  globalToken?: boolean;
  /** where an ROI lies: sinusoids of its box through a two-layer network, a learned vector per place, or nothing; 'sinusoid' */
  boxEncoding?: 'sinusoid' | 'index' | 'none';
  /** of the sinusoids; 8 */
  frequencies?: number;
  /** places with a learned vector, for boxEncoding 'index'; 16 */
  maxRois?: number;
  /** unit vectors, or as LayerNorm leaves them (Eq 17 as written); 'unit' */
  output?: 'unit' | 'raw';
  /** ε of LayerNorm; 1e-5 */
  epsilon?: number;
  /** of the initial values; 0 */
  seed?: number;
}

/** What {@link RoiProcessor.apply} reads: regions, their image, and where they lie. */
export interface RoiInputs {
  /** `[b, r, d]` ROI vectors, unit norm in the paper */
  rois: tf.Tensor;
  /** `[b, t, c]` context tokens, the global one first; with keys 'global' the others are not read */
  context: tf.Tensor;
  /** `[b, r, 4]` `[cx, cy, w, h]` in 0…1; needed for boxEncoding 'sinusoid' */
  boxes?: tf.Tensor | undefined;
  /** `[b, r]`, 1 = an ROI */
  roiMask?: tf.Tensor | undefined;
  /** `[b, t]`, 1 = a token */
  contextMask?: tf.Tensor | undefined;
}

/** What {@link RoiProcessor.apply} gives; t counts the keys. */
export interface FusedRois<A = tf.Tensor4D> {
  /** `[b, r, d]`, 0 where padded */
  fused: tf.Tensor3D;
  /** `[b, heads, r, t]`, rows sum to 1; 0 where padded, and in an image without a valid token */
  attention: A;
}

/**
 * Regions that have looked at their image: cross-attention from ROIs to context tokens (RegionMed-CLIP Eqs 12–17).
 *
 *     q = (z + e) Wq + bq      k = x Wk + bk      v = x Wv + bv            z ROIs, e box encoding, x context tokens
 *     A_h = softmax(q_h k_hᵀ / √(d/heads)) over the valid tokens
 *     fused = norm(LayerNorm(z + concat_h(A_h v_h) Wo + bo))
 *
 * The box encoding takes part in the queries alone, and is 0 for padded ROIs. Masked places may hold anything, NaN included:
 * they are not read, and their gradient is 0. An image without a valid token has attention 0, which leaves z + bo.
 *
 * `keys: 'global'` is the paper's equation as written: with one key the softmax is 1 whatever the query, so attention is
 * constant, Wq, Wk and the box encoding learn nothing, and every ROI is given the same vector.
 *
 * Parameters have the names that Hugging Face gives attention (`attention.q_proj.weight`, …, `norm.bias`), weights `[in, out]`:
 * Xavier-uniform projections, zero biases, PyTorch's uniform ±1/√in in the box network.
 *
 * @example
 * const processor = new RoiProcessor({ width: 8, heads: 2, seed: 1 });
 * const boxes = tf.tensor3d([[[0.5, 0.5, 1, 1], [0.25, 0.25, 0.5, 0.5]]]);
 * const { fused, attention } = processor.apply({ rois: tf.ones([1, 2, 8]), context: tf.ones([1, 5, 8]), boxes });
 * fused.shape; // [1, 2, 8]
 * attention.shape; // [1, 2, 2, 5]
 * processor.dispose();
 */
export class RoiProcessor {
  readonly width: number;
  readonly heads: number;
  readonly contextWidth: number;
  private readonly options: Required<Omit<RoiProcessorOptions, 'width' | 'heads' | 'contextWidth' | 'seed'>>;
  private readonly own: Map<string, tf.Variable>;

  /**
   * @param options see {@link RoiProcessorOptions}.
   * @throws {OptionError} for an option out of range, or heads that do not divide the width.
   */
  constructor({
    width = 512,
    heads = 8,
    contextWidth = width,
    keys = 'patches',
    globalToken = true,
    boxEncoding = 'sinusoid',
    frequencies = 8,
    maxRois = 16,
    output = 'unit',
    epsilon = 1e-5,
    seed = 0,
  }: RoiProcessorOptions = {}) {
    for (const [name, value] of Object.entries({ width, heads, contextWidth, frequencies, maxRois }))
      checkNumber(name, value, { minimum: 1, integer: true });
    if (width % heads) throw new OptionError(`heads: expected a divisor of the width ${width}, got ${heads}`);
    checkChoice('keys', keys, ['patches', 'global']);
    checkChoice('boxEncoding', boxEncoding, ['sinusoid', 'index', 'none']);
    checkChoice('output', output, ['unit', 'raw']);
    checkNumber('epsilon', epsilon, { above: 0 });
    checkNumber('seed', seed, { integer: true });
    this.width = width;
    this.heads = heads;
    this.contextWidth = contextWidth;
    this.options = { keys, globalToken, boxEncoding, frequencies, maxRois, output, epsilon };

    const parameters = new Parameters(seed);
    const projections = { q_proj: width, k_proj: contextWidth, v_proj: contextWidth, out_proj: width };
    for (const [name, inputs] of Object.entries(projections)) {
      parameters.uniform(`attention.${name}.weight`, [inputs, width], Math.sqrt(6 / (inputs + width)));
      parameters.filled(`attention.${name}.bias`, [width], 0);
    }
    parameters.filled('norm.weight', [width], 1);
    parameters.filled('norm.bias', [width], 0);
    if (boxEncoding === 'sinusoid') {
      for (const [name, inputs] of Object.entries({ fc1: 8 * frequencies, fc2: width })) {
        parameters.uniform(`box_encoder.${name}.weight`, [inputs, width], 1 / Math.sqrt(inputs));
        parameters.uniform(`box_encoder.${name}.bias`, [width], 1 / Math.sqrt(inputs));
      }
    }
    if (boxEncoding === 'index') parameters.uniform('roi_embedding.weight', [maxRois, width], Math.sqrt(3) * 0.02);
    this.own = parameters.all;
  }

  /** Every variable by name, in the order of the computation. */
  parameters(): Map<string, tf.Variable> {
    return new Map(this.own);
  }

  /**
   * Fuses the ROIs of a batch with the context of their images.
   *
   * @param inputs see {@link RoiInputs}.
   * @param options `attention: false`: the weights are not wanted, and need not exist where the engine has a fused kernel.
   * @returns `fused` `[b, r, d]` and `attention` `[b, heads, r, t]`.
   * @throws {ShapeError} if a shape does not fit, or there are more ROIs than places with a learned vector.
   * @throws {OptionError} if the boxes that the box encoding needs are missing.
   */
  apply(inputs: RoiInputs, options: { attention: false }): FusedRois<undefined>;
  apply(inputs: RoiInputs, options?: { attention?: true }): FusedRois;
  apply(inputs: RoiInputs, { attention = true }: { attention?: boolean } = {}): FusedRois<tf.Tensor4D | undefined> {
    checkGradients('RoiProcessor.apply');
    this.check(inputs);
    const { keys, output, epsilon } = this.options;
    return tf.tidy(() => {
      const on = inputs.roiMask && isOn(inputs.roiMask);
      const { tokens, mask } = this.keys(inputs);
      const rois = keepOn(inputs.rois, on);
      const places = this.places(inputs, on);
      const q = this.split('q_proj', places ? tf.add(rois, places) : rois);
      const [k, v] = [this.split('k_proj', tokens), this.split('v_proj', tokens)];

      // one key: a fused kernel may leave rounding where the gradient of the logits is exactly 0
      const weights = attention || keys === 'global' ? attentionWeights(q, k, { mask }) : undefined;
      const seen = weights ? tf.matMul(weights, v) : scaledDotProductAttention(q, k, v, { mask });
      const merged = tf.reshape(tf.transpose(seen, [0, 2, 1, 3]), rois.shape);
      const residual = tf.add(rois, this.linear('attention.out_proj', merged));
      const normed = layerNorm(residual, this.get('norm.weight'), this.get('norm.bias'), { epsilon });
      const fused = output === 'unit' ? l2Normalize(normed, { flatAtZero: true }) : normed;
      const shown = on && weights ? tf.where(tf.reshape(on, [on.shape[0]!, 1, on.shape[1]!, 1]), weights, 0) : weights;
      return { fused: keepOn(fused as tf.Tensor3D, on), attention: attention ? (shown as tf.Tensor4D) : undefined };
    });
  }

  /** Frees every variable. */
  dispose(): void {
    tf.dispose([...this.own.values()]);
  }

  private check({ rois, context, boxes, roiMask, contextMask }: RoiInputs): void {
    const { boxEncoding, maxRois, keys, globalToken } = this.options;
    const sizes = checkShape('rois', rois, `b r ${this.width}`);
    checkShape('context', context, `b t ${this.contextWidth}`, sizes);
    if (roiMask) checkShape('roiMask', roiMask, 'b r', sizes);
    if (contextMask) checkShape('contextMask', contextMask, 'b t', sizes);
    if (boxes) checkShape('boxes', boxes, 'b r 4', sizes);
    else if (boxEncoding === 'sinusoid')
      throw new OptionError("boxes: expected [b, r, 4], got none. Fix: pass the boxes, or boxEncoding: 'none'");
    if (boxEncoding === 'index' && rois.shape[1]! > maxRois)
      throw new ShapeError(`rois: expected at most maxRois = ${maxRois} ROIs per image, got ${rois.shape[1]}`);
    if (keys === 'patches' && !globalToken && context.shape[1] === 1)
      throw new ShapeError('context: expected a token besides the global one, got 1 token (globalToken is false)');
  }

  /** The tokens that are asked, 0 where masked, and their mask. */
  private keys({ context, contextMask }: RoiInputs): { tokens: tf.Tensor; mask: tf.Tensor | undefined } {
    const { keys, globalToken } = this.options;
    const [b, t, c] = context.shape as [number, number, number];
    const [first, count] = keys === 'global' ? [0, 1] : globalToken ? [0, t] : [1, t - 1];
    const part = count < t;
    const mask = contextMask && part ? tf.slice(contextMask, [0, first], [b, count]) : contextMask;
    const tokens = part ? tf.slice(context, [0, first, 0], [b, count, c]) : context;
    return { tokens: keepOn(tokens, mask && isOn(mask)), mask };
  }

  /** Where the ROIs lie, `[b, r, d]` or `[1, r, d]`. */
  private places({ rois, boxes, roiMask }: RoiInputs, on: tf.Tensor | undefined): tf.Tensor | undefined {
    const { boxEncoding, frequencies } = this.options;
    const [b, r] = rois.shape as [number, number, number];
    if (boxEncoding === 'none') return undefined;
    if (boxEncoding === 'index') {
      const table = tf.slice(this.get('roi_embedding.weight'), [0, 0], [r, this.width]);
      const places = tf.expandDims(table, 0);
      return on ? keepOn(tf.tile(places, [b, 1, 1]), on) : places;
    }
    const waves = encodeBoxes(boxes!, { frequencies, roiMask });
    const hidden = gelu(this.linear('box_encoder.fc1', waves));
    return keepOn(this.linear('box_encoder.fc2', hidden), on);
  }

  /** A projection, by head: `[b, n, in]` → `[b, heads, n, d/heads]`. */
  private split(name: string, x: tf.Tensor): tf.Tensor {
    const [b, n] = x.shape as [number, number];
    const projected = tf.reshape(this.linear(`attention.${name}`, x), [b, n, this.heads, this.width / this.heads]);
    return tf.transpose(projected, [0, 2, 1, 3]);
  }

  private linear(name: string, x: tf.Tensor): tf.Tensor {
    return linear(x, this.get(`${name}.weight`), { bias: this.get(`${name}.bias`) });
  }

  private get(name: string): tf.Variable {
    return this.own.get(name)!;
  }
}
