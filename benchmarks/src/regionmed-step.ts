import { fileURLToPath } from 'node:url';
import { type Config, configSchema } from '@medalign/example-regionmed-clip/config';
import { initialModel, optimizerOf } from '@medalign/example-regionmed-clip/step';
import { clipScale, loadConfig, valueAndGradients } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { Iteration } from './cases';

/** Boxes that every image has, `[cx, cy, w, h]`; the same in pytorch/model_steps.py. */
export const boxes = [
  [0.3, 0.35, 0.25, 0.2],
  [0.65, 0.4, 0.4, 0.35],
  [0.5, 0.7, 0.15, 0.3],
  [0.25, 0.6, 0.5, 0.5],
];

/** Every image with the same boxes, and texts that all differ. */
export interface RegionInputs {
  images: tf.Tensor4D;
  /** `[r]` of `[cx, cy, w, h]` */
  boxes: number[][];
  /** `[b, pieces]` */
  reports: tf.Tensor2D;
  /** `[b + b · k, pieces]`: captions, then negatives. */
  captions: tf.Tensor2D;
}

/** A share as the example has it on its engine. */
export function regionInputs({ images, boxes, reports, captions }: RegionInputs) {
  const [b] = images.shape;
  const texts = (ids: tf.Tensor2D) => ({
    ids,
    attentionMask: tf.ones(ids.shape) as tf.Tensor2D,
    rows: Int32Array.from({ length: ids.shape[0] }, (_, i) => i),
  });
  const each = Array.from({ length: b }, (_, i) => i);
  const negatives = captions.shape[0] - b;
  return {
    images,
    boxes: tf.tensor3d(each.map(() => boxes)),
    roiMask: tf.ones([b, boxes.length]) as tf.Tensor2D,
    texts: texts(reports),
    captions: texts(captions),
    labels: {
      size: b,
      roiMask: new Float32Array(b * boxes.length).fill(1),
      negativeMask: new Float32Array(negatives).fill(1),
      textIds: each,
      captionIds: each,
    },
    dispose: () => {},
  };
}

/** One step of the joint stage by the RegionMed-CLIP example's `paper.yaml`: loss, gradients, clipping, optimiser. */
export function regionMedStep(
  vocabulary: number,
  features: Config['model']['roi']['features'],
  given: RegionInputs,
): Iteration {
  const file = fileURLToPath(import.meta.resolve('@medalign/example-regionmed-clip/configs/paper.yaml'));
  const config = loadConfig({ file, sets: [`model.roi.features=${features}`], schema: configSchema });
  const { losses, learningRate } = config.stages.at(-1)!;
  const words = Array.from({ length: vocabulary }, (_, i) => `${i}`);
  const model = initialModel(config, words);
  const adam = optimizerOf(model, config);
  adam.learningRate = learningRate;
  const inputs = regionInputs(given);
  let seed = 0;
  const run = () =>
    tf.tidy(() => {
      const loss = () => model.loss(inputs, losses, { training: true, seed: seed++ });
      const { gradients } = valueAndGradients(loss, model.parameters());
      adam.step(gradients, clipScale(gradients, config.optimizer.clip));
    });
  const dispose = () => {
    adam.dispose();
    model.dispose();
  };
  return Object.assign(run, { dispose });
}
