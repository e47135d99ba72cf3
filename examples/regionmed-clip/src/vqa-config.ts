import { z } from 'zod';
import { type Config, configSchema } from './config';

const positive = z.number().positive();
const count = z.number().int().positive();
const natural = z.number().int().min(0);
const { precision, image, model } = configSchema.shape;

/** The checked configuration of `vqa`. Every key has a default; an unknown key is an error. */
export const vqaConfigSchema = z.strictObject({
  seed: natural.default(0),
  precision,
  /** A RegionMed-CLIP run whose encoders and vocabulary are the start; `--checkpoint` sets it, and `model` and `image` with it. */
  start: z.string().optional(),
  data: z
    .strictObject({
      kind: z.enum(['vqa-rad', 'slake']).default('vqa-rad'),
      /** Folder of the data set; `--data` sets it. */
      path: z.string().optional(),
      /** Of the validation part that is held back. */
      seed: natural.default(0),
      /** Of the validation part, where the publisher has none: that share of the training questions, whole images. */
      validation: z.number().gt(0).lt(1).default(0.15),
      /** Answers that fewer training questions have are not classes, and their questions are not trained on. */
      minAnswerCount: count.default(1),
      /** ROIs: `boxes` the publisher's, and `saliency` (proposeRois) for images without; `whole` the image as its one ROI. */
      regions: z.enum(['boxes', 'saliency', 'whole']).default('boxes'),
      /** Use so many images of each part of the publisher's at most. */
      limit: count.optional(),
      /** Broken images that are skipped before the run stops. */
      badImageLimit: natural.default(10),
    })
    .prefault({}),
  image,
  model,
  head: z
    .strictObject({
      /** Width of the fused features. */
      hidden: count.default(256),
      dropout: z.number().min(0).max(0.9).default(0.5),
    })
    .prefault({}),
  optimizer: z
    .strictObject({
      /** Of weight matrices and convolutions: biases, norms and positions have none. */
      weightDecay: z.number().min(0).default(0.05),
      /** Largest global gradient norm; 0 switches clipping off. */
      clip: z.number().min(0).default(1),
    })
    .prefault({}),
  train: z
    .strictObject({
      epochs: count.default(40),
      /** Images of a batch; each brings all its questions, and is encoded once for them. */
      batchSize: count.default(16),
      learningRate: positive.default(1e-3),
      schedule: z
        .strictObject({
          kind: z.enum(['constant', 'cosine']).default('cosine'),
          warmupSteps: natural.default(20),
          minimum: z.number().min(0).default(0),
        })
        .prefault({}),
      labelSmoothing: z.number().min(0).max(0.5).default(0),
      /** Random exposure of training images: brightness, contrast and gamma by up to so much. Nothing is flipped. */
      jitter: z.number().min(0).max(0.5).default(0.1),
      /** Stop after so many epochs without a better validation accuracy. */
      patience: count.default(15),
      /** Stop after so many steps, whatever the epochs say. */
      maxSteps: count.optional(),
    })
    .prefault({}),
  evaluate: z
    .strictObject({
      /** Images of a batch. */
      batchSize: count.default(32),
      bootstrap: count.default(1000),
      /** Train a second model in the same way that is never shown an image. */
      questionOnly: z.boolean().default(true),
      /** Test images whose questions and answers the report shows. */
      pictures: natural.default(12),
    })
    .prefault({}),
});

export type VqaConfig = z.infer<typeof vqaConfigSchema>;

/** The configuration of the encoders: what RegionMed-CLIP needs to know of it. */
export const encoderConfig = ({ seed, precision, image, model }: VqaConfig): Config =>
  configSchema.parse({ seed, precision, image, model });
