import { type Module, ResNet, VisionTransformer } from '@medalign/encoders';
import { addPrefix } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { Config } from './config';

/** What an image is to the rest of the model. */
export type EncodedImages = {
  /** `[b, 1 + p, c]` the global token, then the patches row by row. */
  tokens: tf.Tensor3D;
  /** Patches down and across. */
  grid: [number, number];
};

/** One encoder for whole images and for the crops of their ROIs (Eq 1). */
export class ImageEncoder {
  /** Width c of the tokens. */
  readonly width: number;
  readonly vit: VisionTransformer | undefined;
  readonly resnet: ResNet | undefined;

  constructor({ model: { image: options }, image }: Pick<Config, 'model' | 'image'>, { seed }: { seed: number }) {
    const { kind, vit, resnet, coordinates } = options;
    const channels = image.channels + (coordinates ? 2 : 0);
    if (kind !== 'vit') this.resnet = new ResNet({ ...resnet, inChannels: channels, seed });
    if (kind === 'vit') this.vit = new VisionTransformer({ ...vit, imageSize: image.crop, inChannels: channels, seed });
    if (kind === 'hybrid') {
      // a patch of the ViT is a cell of the ResNet's last grid (Dosovitskiy et al. 2021, section 3.1)
      const reduction =
        (resnet.stem === 'small' ? 2 : 4) * resnet.strides.reduce((product, stride) => product * stride);
      const imageSize = Math.ceil(image.crop / reduction);
      const inChannels = this.resnet!.channels.at(-1)!;
      this.vit = new VisionTransformer({ ...vit, patchSize: 1, imageSize, inChannels, seed: seed + 1 });
    }
    this.width = this.vit?.width ?? this.resnet!.channels.at(-1)!;
  }

  /** @param images `[b, h, w, c]`, with the two channels of places where the configuration asks for them. */
  apply(images: tf.Tensor4D, { training, seed }: { training: boolean; seed: number }): EncodedImages {
    return tf.tidy(() => {
      const features = this.resnet?.apply(images, { training }).features.at(-1);
      if (this.vit) {
        const { tokens, grid } = this.vit.apply(features ?? images, { training, seed });
        return { tokens, grid };
      }
      const [b, h, w, c] = features!.shape;
      const patches = tf.reshape(features!, [b, h * w, c]);
      return {
        tokens: tf.concat([tf.mean(patches, 1, true), patches], 1) as tf.Tensor3D,
        grid: [h, w] as [number, number],
      };
    });
  }

  /** The part that published weights are for. */
  get backbone(): Module {
    return (this.resnet ?? this.vit)!;
  }

  /** Named as in the checkpoints of the ecosystem; the ViT of a hybrid has the prefix `vit.` */
  parameters(): Map<string, tf.Variable> {
    return this.#all((module) => module.parameters());
  }

  buffers(): Map<string, tf.Variable> {
    return this.#all((module) => module.buffers());
  }

  #all(of: (module: Module) => Map<string, tf.Variable>): Map<string, tf.Variable> {
    if (!this.resnet || !this.vit) return of(this.backbone);
    return new Map([...of(this.resnet), ...addPrefix('vit', of(this.vit))]);
  }
}

/** `[b, h, w, c + 2]`: each pixel's place across and down, −1 at the first and 1 at the last, beside its values. */
export function withCoordinates(images: tf.Tensor4D): tf.Tensor4D {
  return tf.tidy(() => {
    const [, h, w, c] = images.shape;
    const across = tf.broadcastTo(tf.reshape(tf.linspace(-1, 1, w), [1, w, 1]), [h, w, 1]);
    const down = tf.broadcastTo(tf.reshape(tf.linspace(-1, 1, h), [h, 1, 1]), [h, w, 1]);
    const places = tf.concat([tf.zeros([h, w, c]), across, down], 2);
    // padding and adding: the wasm engine would concatenate the whole batch pixel by pixel
    const room = tf.pad(images, [[0, 0], [0, 0], [0, 0], [0, 2]]); // biome-ignore format: one pair per axis
    return tf.add(room, places) as tf.Tensor4D;
  });
}
