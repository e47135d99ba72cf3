import { checkChoice, checkGradients, checkNumber, checkShape, OptionError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { Initialiser } from './initialise';
import { BatchNorm, Convolution } from './layers';
import { Module } from './module';
import type { NameMap } from './names';
import { recompute } from './recompute';
import { resnetNames } from './resnet-names';
import type { StateDict } from './state';

/** The shape of a ResNet, from a few thousand to 44 million parameters. */
export type ResNetOptions = {
  /** Two 3×3 convolutions, or 1×1, 3×3, 1×1 with four times the width at the end. */
  block: 'basic' | 'bottleneck';
  /** Blocks per stage. */
  layers: number[];
  /** Width per stage, default 64, 128, 256, 512 (the output of a bottleneck stage is four times that). */
  widths?: number[];
  /** 'imagenet': 7×7 stride 2 and a max pool, a quarter of the size; 'small': 3×3 stride 2, half of it. */
  stem?: 'imagenet' | 'small';
  /** Width of the stem, default the first of `widths`. */
  stemWidth?: number;
  /** 1 for grey images, default 3. */
  inChannels?: number;
  /** Stride of each stage's first block, default 1, 2, 2, 2. */
  strides?: number[];
  /** Which convolution of a bottleneck has the stride: '3x3' (default; torchvision, timm) or '1x1' (the paper, Caffe). */
  strideIn?: '3x3' | '1x1';
  /** Start every residual branch at 0. */
  zeroInitResidual?: boolean;
  /** Seed of the initial values, default 0. */
  seed?: number;
};

/**
 * ResNet image encoder with torchvision's arithmetic (padding, batch statistics) and parameter names
 * (`conv1.weight`, `layer1.0.downsample.0.weight`, …), without the classification layer `fc`. `loadStateDict` takes these
 * (timm has the same) and Hugging Face's, under any prefix.
 *
 * @example
 * const encoder = new ResNet({ block: 'basic', layers: [1, 1], widths: [8, 16], stem: 'small', inChannels: 1 });
 * const { features, local, pooled } = encoder.apply(tf.zeros([2, 32, 32, 1]), { local: 'layer1' });
 * features.map((stage) => stage.shape); // [[2, 16, 16, 8], [2, 8, 8, 16]]
 * local.shape; // [2, 16, 16, 8]
 * pooled.shape; // [2, 16]
 * encoder.dispose();
 * @see He et al. 2016, arXiv 1512.03385
 */
export class ResNet extends Module {
  /** Channels of each stage's feature map. */
  readonly channels: number[];
  private readonly stem: 'imagenet' | 'small';
  private readonly conv1: Convolution;
  private readonly bn1: BatchNorm;
  private readonly stages: Block[][];

  /** @throws OptionError for lists of different lengths or sizes that are not whole numbers. */
  constructor({
    block,
    layers,
    widths = [64, 128, 256, 512].slice(0, layers.length),
    stem = 'imagenet',
    stemWidth = widths[0]!,
    inChannels = 3,
    strides = layers.map((_, stage) => (stage === 0 ? 1 : 2)),
    strideIn = '3x3',
    zeroInitResidual = false,
    seed = 0,
  }: ResNetOptions) {
    super();
    checkChoice('block', block, ['basic', 'bottleneck']);
    checkChoice('stem', stem, ['imagenet', 'small']);
    checkChoice('strideIn', strideIn, ['3x3', '1x1']);
    checkNumber('inChannels', inChannels, { minimum: 1, integer: true });
    checkLists({ layers, widths, strides });
    checkNumber('stemWidth', stemWidth, { minimum: 1, integer: true });
    const initialiser = new Initialiser(seed);
    const expansion = block === 'basic' ? 1 : 4;
    this.stem = stem;
    this.channels = widths.map((width) => width * expansion);
    const first = stem === 'imagenet' ? { size: 7, stride: 2, padding: 3 } : { size: 3, stride: 2, padding: 1 };
    this.conv1 = this.addChild('conv1', new Convolution(inChannels, stemWidth, first, initialiser));
    this.bn1 = this.addChild('bn1', new BatchNorm(stemWidth));
    let inputs = stemWidth;
    this.stages = layers.map((count, stage) =>
      Array.from({ length: count }, (_, i) => {
        const stride = i === 0 ? strides[stage]! : 1;
        const options = { inputs, width: widths[stage]!, expansion, stride, strideIn, zeroInitResidual };
        inputs = widths[stage]! * expansion;
        return this.addChild(`layer${stage + 1}.${i}`, new Block(options, initialiser));
      }),
    );
  }

  /**
   * Encodes images.
   *
   * @param images `[b, h, w, c]`, normalised as the checkpoint wants it.
   * @param options `training`: batch statistics, and the running ones are updated; default false. `local`: the stage
   *   whose features are the local ones, 'layer1' … 'layer4', default the last. `checkpoint`: each block is computed again
   *   for its gradient instead of keeping what it needs (less memory, the same numbers, a third more time).
   * @returns `features`, `[b, h_i, w_i, c_i]` after each stage; `local`, the one asked for; `pooled` `[b, c]`, the mean
   *   over the last one.
   * @throws ShapeError if the channels are not the model's; OptionError for a stage that it does not have.
   */
  apply(
    images: tf.Tensor,
    {
      training = false,
      local = `layer${this.stages.length}`,
      checkpoint = false,
    }: { training?: boolean; local?: string; checkpoint?: boolean } = {},
  ): { features: tf.Tensor4D[]; local: tf.Tensor4D; pooled: tf.Tensor2D } {
    checkShape('images', images, `b h w ${this.conv1.inputs}`);
    const names = this.stages.map((_, i) => `layer${i + 1}`);
    const stage = names.indexOf(checkChoice('local', local, names));
    checkGradients('ResNet.apply');
    return tf.tidy(() => {
      let x = tf.relu(this.bn1.apply(this.conv1.apply(images as tf.Tensor4D), training));
      if (this.stem === 'imagenet') x = tf.maxPool(x, 3, 2, 1, 'floor');
      const features = this.stages.map((blocks) => {
        for (const block of blocks) x = checkpoint ? block.applyTwice(x, training) : block.apply(x, training);
        return x;
      });
      return { features, local: features[stage]!, pooled: tf.mean<tf.Tensor2D>(x, [1, 2]) };
    });
  }

  protected override nameMap(state: StateDict): NameMap {
    return resnetNames(state);
  }
}

type BlockOptions = {
  inputs: number;
  width: number;
  expansion: number;
  stride: number;
  strideIn: '3x3' | '1x1';
  zeroInitResidual: boolean;
};

/** A residual block, `relu(x or its projection + branch(x))`. */
class Block extends Module {
  private readonly branch: [Convolution, BatchNorm][];
  private readonly projection: [Convolution, BatchNorm] | undefined;

  constructor(
    { inputs, width, expansion, stride, strideIn, zeroInitResidual }: BlockOptions,
    initialiser: Initialiser,
  ) {
    super();
    const outputs = width * expansion;
    const pair = (
      convolution: string,
      norm: string,
      from: number,
      to: number,
      size: number,
      by: number,
      weight = 1,
    ) => {
      const shape = { size, stride: by, padding: (size - 1) / 2 };
      return [
        this.addChild(convolution, new Convolution(from, to, shape, initialiser)),
        this.addChild(norm, new BatchNorm(to, { weight })),
      ] as [Convolution, BatchNorm];
    };
    const last = zeroInitResidual ? 0 : 1;
    this.branch =
      expansion === 1
        ? [pair('conv1', 'bn1', inputs, width, 3, stride), pair('conv2', 'bn2', width, width, 3, 1, last)]
        : [
            pair('conv1', 'bn1', inputs, width, 1, strideIn === '1x1' ? stride : 1),
            pair('conv2', 'bn2', width, width, 3, strideIn === '3x3' ? stride : 1),
            pair('conv3', 'bn3', width, outputs, 1, 1, last),
          ];
    if (stride !== 1 || inputs !== outputs) {
      this.projection = pair('downsample.0', 'downsample.1', inputs, outputs, 1, stride);
    }
  }

  apply(x: tf.Tensor4D, training: boolean): tf.Tensor4D {
    return tf.tidy(() => {
      const step = (y: tf.Tensor4D, [convolution, norm]: [Convolution, BatchNorm]) =>
        norm.apply<tf.Tensor4D>(convolution.apply(y), training);
      const last = this.branch.length - 1;
      let y = x;
      this.branch.forEach((pair, i) => {
        y = i < last ? tf.relu(step(y, pair)) : step(y, pair);
      });
      const sum: tf.Tensor4D = tf.add(y, this.projection ? step(x, this.projection) : x);
      return tf.relu(sum);
    });
  }

  /** The same with gradient checkpointing. */
  applyTwice(x: tf.Tensor4D, training: boolean): tf.Tensor4D {
    return recompute(([input]) => this.apply(input as tf.Tensor4D, training), [x], {
      variables: [...this.parameters().values()],
    });
  }
}

function checkLists(lists: Record<'layers' | 'widths' | 'strides', number[]>): void {
  for (const [name, list] of Object.entries(lists)) {
    if (list.length === 0 || list.length !== lists.layers.length) {
      throw new OptionError(
        `${name}: expected one number per stage (layers has ${lists.layers.length}), got [${list}]`,
      );
    }
    for (const value of list) checkNumber(name, value, { minimum: 1, integer: true });
  }
}

type Preset = Omit<ResNetOptions, 'block' | 'layers'>;

/** ResNet-18, 11.2 M parameters. */
export const resnet18 = (options: Preset = {}) => new ResNet({ block: 'basic', layers: [2, 2, 2, 2], ...options });
/** ResNet-34, 21.3 M parameters. */
export const resnet34 = (options: Preset = {}) => new ResNet({ block: 'basic', layers: [3, 4, 6, 3], ...options });
/** ResNet-50, 23.5 M parameters. */
export const resnet50 = (options: Preset = {}) => new ResNet({ block: 'bottleneck', layers: [3, 4, 6, 3], ...options });
/** ResNet-101, 42.5 M parameters. */
export const resnet101 = (options: Preset = {}) =>
  new ResNet({ block: 'bottleneck', layers: [3, 4, 23, 3], ...options });
