import { checkChoice, checkNumber, OptionError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { type Activation, activationOf } from './activation';
import { Initialiser } from './initialise';
import { BatchNorm, LayerNorm } from './layers';
import { Linear } from './linear';
import { Module } from './module';

/** The shape of a projection head. */
export type ProjectionHeadOptions = {
  /** Width of what the encoder gives. */
  inputs: number;
  /** Width of the joint space. */
  outputs: number;
  /** One linear map (default), or two with an activation between them. */
  kind?: 'linear' | 'mlp';
  /** Width between the two maps of an 'mlp', default that of the inputs. */
  hidden?: number;
  /** Between the two maps, default 'relu'. */
  activation?: Activation;
  /** Normalisation of the first map of an 'mlp', before the activation, default 'none'. */
  norm?: 'none' | 'batch' | 'layer';
  /** Whether the maps have biases, default true. */
  bias?: boolean;
  /** Seed of the initial values, default 0. */
  seed?: number;
};

/**
 * From an encoder's width to the joint space of images and texts. Names are those of PyTorch's `nn.Sequential`:
 * `0.weight`, and for an 'mlp' `2.weight` or, behind a normalisation, `3.weight` (open_clip's `text.proj.2.weight`).
 *
 * @example
 * const head = new ProjectionHead({ inputs: 8, outputs: 4, kind: 'mlp', hidden: 16, seed: 1 });
 * head.apply(tf.ones([2, 5, 8])).shape; // [2, 5, 4]
 * [...head.parameters().keys()]; // ["0.weight", "0.bias", "2.weight", "2.bias"]
 * head.dispose();
 */
export class ProjectionHead extends Module {
  private readonly first: Linear;
  private readonly norm: BatchNorm | LayerNorm | undefined;
  private readonly activation: (x: tf.Tensor) => tf.Tensor;
  private readonly second: Linear | undefined;

  /** @throws OptionError for sizes that are not whole numbers, and for a normalisation without an 'mlp'. */
  constructor({
    inputs,
    outputs,
    kind = 'linear',
    hidden = inputs,
    activation = 'relu',
    norm = 'none',
    bias = true,
    seed = 0,
  }: ProjectionHeadOptions) {
    super();
    checkChoice('kind', kind, ['linear', 'mlp']);
    checkChoice('norm', norm, ['none', 'batch', 'layer']);
    for (const [name, value] of Object.entries({ inputs, outputs, hidden }))
      checkNumber(name, value, { minimum: 1, integer: true });
    if (kind === 'linear' && norm !== 'none')
      throw new OptionError(`norm: expected 'none' for kind 'linear', got '${norm}'. Fix: kind: 'mlp'`);
    const initialiser = new Initialiser(seed);
    const width = kind === 'linear' ? outputs : hidden;
    this.activation = activationOf(activation);
    this.first = this.addChild('0', new Linear(inputs, width, { bias, initialiser }));
    if (norm !== 'none')
      this.norm = this.addChild('1', norm === 'batch' ? new BatchNorm(width) : new LayerNorm(width, 1e-5));
    if (kind === 'mlp')
      this.second = this.addChild(this.norm ? '3' : '2', new Linear(width, outputs, { bias, initialiser }));
  }

  /**
   * @param x `[…, inputs]`.
   * @param options `training`: batch statistics for a 'batch' norm, default false.
   * @returns `[…, outputs]`.
   */
  apply(x: tf.Tensor, { training = false }: { training?: boolean } = {}): tf.Tensor {
    return tf.tidy(() => {
      const y = this.first.apply(x);
      if (!this.second) return y;
      const normalised = this.norm?.apply(y, training) ?? y;
      return this.second.apply(this.activation(normalised));
    });
  }
}
