import { scaledDotProductAttention } from '@medalign/ops';
import { checkGradients, checkNumber, checkShape, OptionError, ShapeError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { type Activation, activationOf } from './activation';
import { bertNames } from './bert-names';
import { checkRates, type DropRates, type Drops, dropsOf } from './drops';
import { Initialiser } from './initialise';
import { Embedding, LayerNorm } from './layers';
import { Linear } from './linear';
import { Module } from './module';
import type { NameMap } from './names';
import { recompute } from './recompute';
import type { StateDict } from './state';

/** The shape of a BERT. */
export type BertOptions = {
  vocabSize: number;
  /** d, default 768. */
  hiddenSize?: number;
  /** Transformer layers, default 12. */
  layers?: number;
  /** Attention heads; must divide hiddenSize. Default 12. */
  heads?: number;
  /** Width inside the feed-forward part, default 4 · hiddenSize. */
  intermediateSize?: number;
  /** Longest text in pieces, default 512. */
  maxPositions?: number;
  typeVocabSize?: number;
  /** Rate of every dropout (hidden states and attention weights), default 0.1; only active when training. */
  dropout?: number;
  /** Rate of the dropout of attention weights, default that of `dropout`. */
  attentionDropout?: number;
  /** Between the two feed-forward maps, default 'gelu' (exact). */
  activation?: Activation;
  layerNormEpsilon?: number;
  /** Seed of the initial values, default 0. */
  seed?: number;
};

/**
 * BERT text encoder with the arithmetic and the parameter names of Hugging Face's `BertModel`
 * (`embeddings.word_embeddings.weight`, `encoder.layer.0.attention.self.query.weight`, …, `pooler.dense.bias`).
 * `loadStateDict` takes them under any prefix (`bert.`), with or without heads, and with the `gamma` and `beta` of old files.
 *
 * @example
 * const encoder = new Bert({ vocabSize: 30, hiddenSize: 8, layers: 2, heads: 2, maxPositions: 16, dropout: 0 });
 * const ids = tf.tensor2d([[2, 7, 3, 0]], [1, 4], 'int32');
 * const { hiddenStates, pooled } = encoder.apply({ ids, attentionMask: tf.tensor2d([[1, 1, 1, 0]]) });
 * hiddenStates.map((states) => states.shape); // [[1, 4, 8], [1, 4, 8], [1, 4, 8]]
 * pooled.shape; // [1, 8]
 * encoder.dispose();
 * @see Devlin et al. 2019, arXiv 1810.04805
 */
export class Bert extends Module {
  readonly hiddenSize: number;
  readonly maxPositions: number;
  private readonly rates: DropRates;
  private readonly words: Embedding;
  private readonly positions: Embedding;
  private readonly types: Embedding;
  private readonly norm: LayerNorm;
  private readonly layers: BertLayer[];
  private readonly pooler: Linear;

  /** @throws OptionError for sizes that are not whole numbers, or heads that do not divide hiddenSize. */
  constructor({
    vocabSize,
    hiddenSize = 768,
    layers = 12,
    heads = 12,
    intermediateSize = 4 * hiddenSize,
    maxPositions = 512,
    typeVocabSize = 2,
    dropout = 0.1,
    attentionDropout = dropout,
    activation = 'gelu',
    layerNormEpsilon = 1e-12,
    seed = 0,
  }: BertOptions) {
    super();
    for (const [name, value] of Object.entries({
      vocabSize,
      hiddenSize,
      layers,
      heads,
      intermediateSize,
      maxPositions,
      typeVocabSize,
    })) {
      checkNumber(name, value, { minimum: 1, integer: true });
    }
    if (hiddenSize % heads !== 0)
      throw new OptionError(`heads: expected a divisor of hiddenSize ${hiddenSize}, got ${heads}`);
    this.rates = checkRates(dropout, attentionDropout);
    this.hiddenSize = hiddenSize;
    this.maxPositions = maxPositions;
    const initialiser = new Initialiser(seed);
    const table = (name: string, count: number) =>
      this.addChild(`embeddings.${name}_embeddings`, new Embedding(count, hiddenSize, initialiser));
    this.words = table('word', vocabSize);
    this.positions = table('position', maxPositions);
    this.types = table('token_type', typeVocabSize);
    this.norm = this.addChild('embeddings.LayerNorm', new LayerNorm(hiddenSize, layerNormEpsilon));
    const sizes = { hiddenSize, heads, intermediateSize, layerNormEpsilon, activation };
    this.layers = Array.from({ length: layers }, (_, i) =>
      this.addChild(`encoder.layer.${i}`, new BertLayer(sizes, initialiser)),
    );
    this.pooler = this.addChild('pooler.dense', new Linear(hiddenSize, hiddenSize, { stddev: 0.02, initialiser }));
  }

  /**
   * Encodes tokenised texts.
   *
   * @param inputs `ids` int32 `[b, n]`; `attentionMask` `[b, n]` 0/1, 1 = read; `tokenTypes` int32 `[b, n]`, default 0.
   * @param options `training` switches dropout on, and then `seed` (another one for every step) fixes its masks.
   *   `checkpoint`: each layer is computed again for its gradient instead of keeping what it needs (less memory, the same
   *   numbers, a third more time).
   * @returns `hiddenStates`, `[b, n, d]` after the embeddings and after each layer; `pooled` `[b, d]`, tanh of a
   *   linear map of the first token.
   * @throws ShapeError if the shapes differ or the text is longer than `maxPositions`; OptionError without a seed.
   */
  apply(
    { ids, attentionMask, tokenTypes }: { ids: tf.Tensor; attentionMask: tf.Tensor; tokenTypes?: tf.Tensor },
    { training = false, seed, checkpoint = false }: { training?: boolean; seed?: number; checkpoint?: boolean } = {},
  ): { hiddenStates: tf.Tensor3D[]; pooled: tf.Tensor2D } {
    const sizes = checkShape('ids', ids, 'b n');
    checkShape('attentionMask', attentionMask, 'b n', sizes);
    if (tokenTypes) checkShape('tokenTypes', tokenTypes, 'b n', sizes);
    const [b, n] = ids.shape as [number, number];
    if (n > this.maxPositions) {
      throw new ShapeError(
        `ids: expected at most ${this.maxPositions} pieces (maxPositions), got ${n}. Fix: maxPieces of the tokenizer`,
      );
    }
    checkGradients('Bert.apply');
    const drops = dropsOf(this.rates, { training, seed });
    return tf.tidy(() => {
      const d = this.hiddenSize;
      const position = tf.slice(this.positions.weight, [0, 0], [n, d]);
      const type = tokenTypes ? this.types.apply(tokenTypes) : tf.slice(this.types.weight, [0, 0], [1, d]);
      const embedded = this.norm.apply(tf.add(tf.add(this.words.apply(ids), type), position));
      const hiddenStates = [(drops?.hidden(embedded) ?? embedded) as tf.Tensor3D];
      for (const layer of this.layers) {
        const run = checkpoint ? layer.applyTwice : layer.apply;
        hiddenStates.push(run.call(layer, hiddenStates[hiddenStates.length - 1]!, attentionMask, drops) as tf.Tensor3D);
      }
      const first = tf.reshape(tf.slice(hiddenStates[hiddenStates.length - 1]!, [0, 0, 0], [b, 1, d]), [b, d]);
      return { hiddenStates, pooled: tf.tanh(this.pooler.apply(first)) as tf.Tensor2D };
    });
  }

  protected override nameMap(state: StateDict): NameMap {
    return bertNames(state);
  }
}

type LayerSizes = {
  hiddenSize: number;
  heads: number;
  intermediateSize: number;
  layerNormEpsilon: number;
  activation: Activation;
};

/** Post-norm transformer layer: attention and feed-forward, each added to its input and normalised. */
class BertLayer extends Module {
  private readonly heads: number;
  private readonly activation: (x: tf.Tensor) => tf.Tensor;
  private readonly query: Linear;
  private readonly key: Linear;
  private readonly value: Linear;
  private readonly attentionOutput: Linear;
  private readonly attentionNorm: LayerNorm;
  private readonly intermediate: Linear;
  private readonly output: Linear;
  private readonly outputNorm: LayerNorm;

  constructor(
    { hiddenSize, heads, intermediateSize, layerNormEpsilon, activation }: LayerSizes,
    initialiser: Initialiser,
  ) {
    super();
    const dense = (name: string, inputs: number, outputs: number) =>
      this.addChild(name, new Linear(inputs, outputs, { stddev: 0.02, initialiser }));
    const norm = (name: string) => this.addChild(name, new LayerNorm(hiddenSize, layerNormEpsilon));
    this.heads = heads;
    this.activation = activationOf(activation);
    this.query = dense('attention.self.query', hiddenSize, hiddenSize);
    this.key = dense('attention.self.key', hiddenSize, hiddenSize);
    this.value = dense('attention.self.value', hiddenSize, hiddenSize);
    this.attentionOutput = dense('attention.output.dense', hiddenSize, hiddenSize);
    this.attentionNorm = norm('attention.output.LayerNorm');
    this.intermediate = dense('intermediate.dense', hiddenSize, intermediateSize);
    this.output = dense('output.dense', intermediateSize, hiddenSize);
    this.outputNorm = norm('output.LayerNorm');
  }

  apply(x: tf.Tensor, mask: tf.Tensor, drops: Drops | undefined): tf.Tensor {
    return tf.tidy(() => {
      const [b, n, d] = x.shape as [number, number, number];
      const drop = (y: tf.Tensor) => drops?.hidden(y) ?? y;
      const split = (y: tf.Tensor) => tf.transpose(tf.reshape(y, [b, n, this.heads, d / this.heads]), [0, 2, 1, 3]);
      const [q, k, v] = [this.query, this.key, this.value].map((projection) => split(projection.apply(x)));
      const attended = scaledDotProductAttention(q!, k!, v!, { mask, dropout: drops?.next('attention') });
      const merged = tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [b, n, d]);
      const y = this.attentionNorm.apply(tf.add(drop(this.attentionOutput.apply(merged)), x));
      const wide = this.activation(this.intermediate.apply(y));
      return this.outputNorm.apply(tf.add(drop(this.output.apply(wide)), y));
    });
  }

  /** The same with gradient checkpointing. */
  applyTwice(x: tf.Tensor, mask: tf.Tensor, drops: Drops | undefined): tf.Tensor {
    const first = drops?.step;
    return recompute(
      ([input], [constant], again) => this.apply(input!, constant!, again ? drops?.from(first!) : drops),
      [x],
      { variables: [...this.parameters().values()], constants: [mask] },
    );
  }
}
