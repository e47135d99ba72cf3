import { Bert, type Module, resnet50, vitBase } from '@medalign/encoders';
import { Adam, valueAndGradients } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { Case } from './cases';
import { planStep } from './plan-step';
import { boxes, regionMedStep } from './regionmed-step';

/** Sizes of the steps; pytorch/model_steps.py has the same. BERT's vocabulary is BioClinicalBERT's. */
const [BATCH, SIDE, PIECES, VOCABULARY] = [4, 224, 99, 28996];
/** RegionMed-CLIP: images, pieces of a caption, negatives of an image, PubMedBERT's vocabulary. */
const [PAIRS, CAPTION, NEGATIVES, PUBMED] = [2, 24, 5, 30522];

const randomImages = (n = BATCH) => tf.randomNormal<tf.Rank.R4>([n, SIDE, SIDE, 3], 0, 1, 'float32', 1);
const randomIds = (shape: [number, number] = [BATCH, PIECES], vocabulary = VOCABULARY) =>
  tf.randomUniformInt(shape, 0, vocabulary, 2) as tf.Tensor2D;

/** Forward, backward and AdamW; the loss is the sum of squares of what `forward` returns. */
function step<M extends Module>(build: () => M, inputs: () => tf.Tensor[], forward: Forward<M>): Case['make'] {
  return () => {
    const model = build();
    const given = inputs();
    const adam = new Adam(model.parameters(), { learningRate: 1e-4, weightDecay: 1e-2, decoupled: true });
    let seed = 0;
    const run = () =>
      tf.tidy(() => {
        const loss = () => tf.sum(tf.square(forward(model, given, seed++)));
        adam.step(valueAndGradients(loss, model.parameters()).gradients);
      });
    const dispose = () => {
      adam.dispose();
      model.dispose();
    };
    return Object.assign(run, { dispose });
  };
}

type Forward<M> = (model: M, inputs: tf.Tensor[], seed: number) => tf.Tensor;

const training = true;

export const modelCases: Case[] = [
  ...['channels last', 'contiguous'].map((form) => ({
    name: `ResNet-50, 4 images, training step (PyTorch: ${form})`,
    memory: true,
    make: step(
      () => resnet50(),
      () => [randomImages()],
      (model, [images]) => model.apply(images!, { training }).pooled,
    ),
  })),
  {
    name: 'BERT-base, 4 texts of 97 words, training step',
    memory: true,
    make: step(
      () => new Bert({ vocabSize: VOCABULARY, dropout: 0.1 }),
      () => [randomIds(), tf.ones([BATCH, PIECES])],
      (model, [ids, mask], seed) => model.apply({ ids: ids!, attentionMask: mask! }, { training, seed }).pooled,
    ),
  },
  {
    name: 'ViT-B/16, 4 images, training step',
    memory: true,
    make: step(
      () => vitBase(),
      () => [randomImages()],
      (model, [images]) => model.apply(images!, { training }).classToken,
    ),
  },
  {
    name: 'PLAN paper step, 4 pairs',
    memory: true,
    make: () => {
      const lengths = Array<number>(BATCH).fill(PIECES - 2);
      return planStep('paper.yaml', VOCABULARY, { images: randomImages(), ids: randomIds(), lengths });
    },
  },
  ...(['crops', 'align'] as const).map((features) => ({
    name: `RegionMed-CLIP paper step, 2 pairs, 4 ROIs: ${features}`,
    memory: true,
    make: () =>
      regionMedStep(PUBMED, features, {
        images: randomImages(PAIRS),
        boxes,
        reports: randomIds([PAIRS, PIECES], PUBMED),
        captions: randomIds([PAIRS * (1 + NEGATIVES), CAPTION], PUBMED),
      }),
  })),
];
