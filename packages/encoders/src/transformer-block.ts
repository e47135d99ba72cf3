import { scaledDotProductAttention } from '@medalign/ops';
import * as tf from '@tensorflow/tfjs-core';
import { type Activation, activationOf } from './activation';
import type { Drops } from './drops';
import type { Initialiser } from './initialise';
import { LayerNorm } from './layers';
import { Linear } from './linear';
import { Module } from './module';
import { recompute } from './recompute';

/** The shape of a block of a vision transformer. */
export type BlockSizes = {
  width: number;
  heads: number;
  intermediateSize: number;
  layerNormEpsilon: number;
  activation: Activation;
  qkvBias: boolean;
  layerScale: number | undefined;
};

/** Pre-norm transformer block with timm's names: `x + attn(norm1(x))`, then `x + mlp(norm2(x))`. */
export class TransformerBlock extends Module {
  private readonly heads: number;
  private readonly activation: (x: tf.Tensor) => tf.Tensor;
  private readonly norm1: LayerNorm;
  private readonly qkv: Linear;
  private readonly projection: Linear;
  private readonly norm2: LayerNorm;
  private readonly fc1: Linear;
  private readonly fc2: Linear;
  private readonly scale1: tf.Variable | undefined;
  private readonly scale2: tf.Variable | undefined;

  constructor(
    { width, heads, intermediateSize, layerNormEpsilon, activation, qkvBias, layerScale }: BlockSizes,
    initialiser: Initialiser,
  ) {
    super();
    const dense = (name: string, inputs: number, outputs: number, bias = true) =>
      this.addChild(name, new Linear(inputs, outputs, { bias, stddev: 0.02, initialiser }));
    const scale = (name: string) =>
      layerScale === undefined ? undefined : this.add(name, new Float32Array(width).fill(layerScale), [width]);
    this.heads = heads;
    this.activation = activationOf(activation);
    this.norm1 = this.addChild('norm1', new LayerNorm(width, layerNormEpsilon));
    this.qkv = dense('attn.qkv', width, 3 * width, qkvBias);
    this.projection = dense('attn.proj', width, width);
    this.scale1 = scale('ls1.gamma');
    this.norm2 = this.addChild('norm2', new LayerNorm(width, layerNormEpsilon));
    this.fc1 = dense('mlp.fc1', width, intermediateSize);
    this.fc2 = dense('mlp.fc2', intermediateSize, width);
    this.scale2 = scale('ls2.gamma');
  }

  /** `[b, n, d]` → `[b, n, d]`. */
  apply(x: tf.Tensor, drops: Drops | undefined): tf.Tensor {
    return tf.tidy(() => {
      const branch = (y: tf.Tensor, scale: tf.Variable | undefined) => {
        const dropped = drops?.hidden(y) ?? y;
        return scale ? tf.mul(dropped, scale) : dropped;
      };
      const y = tf.add(x, branch(this.attention(this.norm1.apply(x), drops), this.scale1));
      const wide = this.activation(this.fc1.apply(this.norm2.apply(y)));
      return tf.add(y, branch(this.fc2.apply(wide), this.scale2));
    });
  }

  private attention(x: tf.Tensor, drops: Drops | undefined): tf.Tensor {
    const [b, n, d] = x.shape as [number, number, number];
    const split = (y: tf.Tensor) => tf.transpose(tf.reshape(y, [b, n, this.heads, d / this.heads]), [0, 2, 1, 3]);
    const [q, k, v] = tf.split(this.qkv.apply(x), 3, 2).map(split);
    const attended = scaledDotProductAttention(q!, k!, v!, { dropout: drops?.next('attention') });
    return this.projection.apply(tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [b, n, d]));
  }

  /** The same with gradient checkpointing. */
  applyTwice(x: tf.Tensor, drops: Drops | undefined): tf.Tensor {
    const first = drops?.step;
    return recompute(([input], _, again) => this.apply(input!, again ? drops?.from(first!) : drops), [x], {
      variables: [...this.parameters().values()],
    });
  }
}
