import { Curriculum } from '@medalign/progressive';
import { z } from 'zod';

const positive = z.number().positive();
const count = z.number().int().positive();
const natural = z.number().int().min(0);

/** The losses that a stage may name. */
export const lossNames = ['global', 'roi', 'negative'] as const;
export type LossName = (typeof lossNames)[number];

const stageSchema = z.strictObject({
  name: z.string().min(1),
  epochs: natural,
  learningRate: positive,
  batchSize: count,
  losses: z.array(z.enum(lossNames)).min(1),
  /** Patterns of parameter names that do not learn: `image.*`, `text.*`, `heads.*`, `roi.*`, `loss.*`. */
  freeze: z.array(z.string()).default([]),
  schedule: z
    .strictObject({
      kind: z.enum(['constant', 'cosine']).default('constant'),
      warmupSteps: natural.default(0),
      minimum: z.number().min(0).default(0),
    })
    .prefault({}),
  resetOptimizer: z.boolean().default(true),
});

/** The paper's four stages (METHOD of RegionMed-CLIP); the batch size of the middle ones is not stated. */
const paperStages = [
  { name: 'warmup', epochs: 2, learningRate: 1e-4, batchSize: 16, losses: ['global'] },
  { name: 'global', epochs: 8, learningRate: 2e-4, batchSize: 16, losses: ['global'] },
  { name: 'region', epochs: 8, learningRate: 2e-4, batchSize: 16, losses: ['roi', 'negative'] },
  { name: 'joint', epochs: 8, learningRate: 3e-5, batchSize: 12, losses: ['global', 'roi', 'negative'] },
] satisfies z.input<typeof stageSchema>[];

/** The checked configuration of the example. Every key has a default; an unknown key is an error. */
export const configSchema = z
  .strictObject({
    seed: natural.default(0),
    /** What the torch engine may compute products, convolutions and attention in: float32, TF32 or bfloat16. */
    precision: z.enum(['highest', 'high', 'medium']).default('highest'),
    data: z
      .strictObject({
        /** `phantom` is generated; `medregion` is a folder in the MedRegion format. */
        kind: z.enum(['phantom', 'medregion']).default('phantom'),
        /** Folder of a MedRegion set; `--data` sets it. */
        path: z.string().optional(),
        seed: natural.default(0),
        /** Patients to generate (phantom). */
        patients: count.default(400),
        /** Side of a generated image in pixels (phantom). */
        size: count.min(48).default(96),
        /** Shares of the patients: train, validation, test. */
        fractions: z
          .strictObject({ train: positive, validation: positive, test: positive })
          .default({ train: 0.8, validation: 0.1, test: 0.1 }),
        /** Negative captions of an image that are used, k. */
        negatives: count.default(5),
        /** Broken images that are skipped before the run stops. */
        badImageLimit: natural.default(10),
      })
      .prefault({}),
    image: z
      .strictObject({
        /** Long side after resizing, pixels. */
        resize: count.default(64),
        /** Side of the crop, pixels: random in training, central in evaluation. */
        crop: count.default(64),
        channels: z.union([z.literal(1), z.literal(3)]).default(3),
      })
      .prefault({}),
    model: z
      .strictObject({
        /** Joint width d. */
        width: count.default(64),
        image: z
          .strictObject({
            /** `vit`: as the paper; `resnet`: the last feature grid as patch tokens, its mean as global token; `hybrid`: a ViT over that grid. */
            kind: z.enum(['vit', 'resnet', 'hybrid']).default('resnet'),
            /** Two more channels with each pixel's place in the image, −1…1, in crops too: for encoders too small to see where. */
            coordinates: z.boolean().default(false),
            /** Weights to start from, a file or a folder: safetensors or PyTorch. */
            weights: z.string().optional(),
            vit: z
              .strictObject({
                patchSize: count.default(8),
                width: count.default(64),
                layers: count.default(2),
                heads: count.default(4),
                dropout: z.number().min(0).max(0.9).default(0),
              })
              .prefault({}),
            resnet: z
              .strictObject({
                block: z.enum(['basic', 'bottleneck']).default('basic'),
                layers: z.array(count).min(1).max(4).default([1, 1, 1]),
                widths: z.array(count).min(1).max(4).default([16, 32, 64]),
                strides: z.array(count).min(1).max(4).default([1, 2, 2]),
                stem: z.enum(['small', 'imagenet']).default('small'),
              })
              .prefault({}),
          })
          .prefault({}),
        text: z
          .strictObject({
            hiddenSize: count.default(64),
            layers: count.default(1),
            heads: count.default(2),
            intermediateSize: count.default(128),
            maxPositions: count.default(256),
            dropout: z.number().min(0).max(0.9).default(0),
            /** A text's vector: the [CLS] token or the mean over its pieces. */
            pool: z.enum(['cls', 'mean']).default('mean'),
            /** Entries of the vocabulary built from the training texts, when no file is given. */
            vocabularySize: count.default(1000),
            /** Tokenizer of a published BERT: vocab.txt, tokenizer.json or their folder. */
            vocabulary: z.string().optional(),
            lowercase: z.boolean().optional(),
            /** Weights to start from, a file or a folder: safetensors or PyTorch, Hugging Face's names. */
            weights: z.string().optional(),
          })
          .prefault({}),
        roi: z
          .strictObject({
            /** `crops`: each ROI is encoded as an image, as the paper; `align`: read off the image's patch grid (RoIAlign), one pass. */
            features: z.enum(['crops', 'align']).default('crops'),
            /** ROIs of an image that are used, r: those of the highest score. */
            max: count.default(4),
            /** Side of a crop in pixels; default that of the image. */
            cropSize: count.optional(),
            /** Added to a box on every side for its crop, as a share of its size. */
            margin: z.number().min(0).default(0.1),
            aspect: z.enum(['stretch', 'pad', 'expand']).default('expand'),
            /** Cells of RoIAlign down and across; their mean is the ROI's feature. */
            alignSize: count.default(3),
            heads: count.default(8),
            keys: z.enum(['patches', 'global']).default('patches'),
            globalToken: z.boolean().default(true),
            boxEncoding: z.enum(['sinusoid', 'index', 'none']).default('sinusoid'),
          })
          .prefault({}),
      })
      .prefault({}),
    loss: z
      .strictObject({
        temperature: z.number().min(0.01).max(1).default(0.07),
        /** Whether τ is learned, as a log-scale, from `temperature` on. */
        learnTemperature: z.boolean().default(false),
        /** The text that an image is matched with: of `sample`, summary or report by lot. */
        text: z.enum(['report', 'summary', 'sample']).default('report'),
        weighting: z.enum(['kendall', 'fixed', 'paper']).default('kendall'),
        /** Of `fixed`. */
        weights: z
          .strictObject({ global: positive.default(1), roi: positive.default(1), negative: positive.default(1) })
          .prefault({}),
        roi: z
          .strictObject({
            directions: z.enum(['forward', 'symmetric']).default('forward'),
            /** Equal captions are positives of each other; false: the paper as written. */
            multiPositive: z.boolean().default(true),
          })
          .prefault({}),
        negative: z
          .strictObject({
            mode: z.enum(['bce', 'infonce']).default('bce'),
            /** Multiplies the cosines; default 1/τ, the paper as written has 1. */
            scale: positive.optional(),
          })
          .prefault({}),
      })
      .prefault({}),
    optimizer: z
      .strictObject({
        /** Of weight matrices and convolutions: biases, norms, positions and loss weights have none. */
        weightDecay: z.number().min(0).default(0.02),
        /** Largest global gradient norm; 0 switches clipping off. */
        clip: z.number().min(0).default(0.5),
      })
      .prefault({}),
    stages: z.array(stageSchema).min(1).prefault(paperStages),
    train: z
      .strictObject({
        /**
         * Copies of the model, each in a thread, that share every batch. The losses are over the whole batch, batch
         * statistics over a share, so with a ResNet the number of replicas is part of the experiment.
         */
        replicas: count.default(1),
        /** Stop every stage after so many steps, whatever its epochs say. */
        maxStepsPerStage: count.optional(),
        checkpointEverySteps: count.default(200),
      })
      .prefault({}),
    evaluate: z
      .strictObject({
        batchSize: count.default(64),
        bootstrap: count.default(1000),
        /** Read the test images after every stage too. */
        stages: z.boolean().default(true),
        /** Zero-shot classes are scored by their cosine, or, where an image can have one alone, by its softmax over them. */
        zeroShot: z.enum(['cosine', 'softmax']).default('cosine'),
        /** Images whose attention is drawn in the report. */
        pictures: natural.default(12),
      })
      .prefault({}),
  })
  .superRefine(({ image, model, train, stages }, context) => {
    const problem = (path: (string | number)[], message: string) => context.addIssue({ code: 'custom', path, message });
    const { kind } = model.image;
    const { features, cropSize = image.crop } = model.roi;
    if (features === 'crops' && kind !== 'vit' && cropSize !== image.crop)
      problem(
        ['model', 'roi', 'cropSize'],
        `expected image.crop, ${image.crop}, for kind '${kind}': crops and images share batch statistics`,
      );
    stages.forEach(({ batchSize }, i) => {
      if (batchSize % train.replicas !== 0 || batchSize / train.replicas < 2)
        problem(
          ['train', 'replicas'],
          `expected a number that divides stages.${i}.batchSize into shares of two or more`,
        );
    });
  });

export type Config = z.infer<typeof configSchema>;

/** The stages of a configuration, and where a run stands in them. */
export const curriculumOf = ({ stages }: Pick<Config, 'stages'>) => new Curriculum(stages);

/** Which images a checkpoint is read on. */
export const parts = ['test', 'validation', 'all'] as const;
export type Part = (typeof parts)[number];

/** What a checkpoint is read for: the numbers of a training run, or classification after a few examples. */
export const evaluationTasks = ['alignment', 'few-shot'] as const;
export type EvaluationTask = (typeof evaluationTasks)[number];
