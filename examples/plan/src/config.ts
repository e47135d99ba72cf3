import { z } from 'zod';
import { dataKinds } from './datasets';

const positive = z.number().positive();
const count = z.number().int().positive();

/** What the alignment loss is made of. A recipe fills in what the file leaves out; `paper` is the reading of docs/paper-notes.md. */
export const alignmentSchema = z.strictObject({
  /** Rounds of refinement, T. */
  iterations: count.max(9).optional(),
  /** Weight of the newly computed similarity against the one carried over, δ (Eq 14). */
  delta: z.number().min(0).max(1).optional(),
  /** `none`: global loss only; `initial`: Φref := Φ, one round; `joint`: everything. */
  local: z.enum(['none', 'initial', 'joint']).optional(),
  /** `reencode` runs the text encoder again on the words that are left; `reuse` does not. */
  features: z.enum(['reuse', 'reencode']).optional(),
  negatives: z.enum(['report', 'pairs', 'batch', 'images']).optional(),
  /** With `images`: a report is told apart from the other images of its group of so many samples; 0 = the whole batch. */
  imageGroup: z.number().int().min(0).optional(),
  /** What a region is averaged from: the pixel features I, or G, which words are compared with. */
  pool: z.enum(['pixels', 'projected']).optional(),
  /** Whether regions pass through the learned map Wproj (Eq 11). */
  regionProjection: z.boolean().optional(),
  attention: z.enum(['linear', 'softmax', 'relu']).optional(),
  attentionTemperature: positive.optional(),
  /** With `images`: a word scores an image by the cosine with its region, or by the smooth maximum over pixels. */
  wordScore: z.enum(['region', 'smoothMax']).optional(),
  similarity: z.enum(['scaledDot', 'cosine', 'dot']).optional(),
  /** Multiplies the similarity. */
  similarityScale: positive.optional(),
  keepRatio: z.number().positive().max(1).optional(),
  selectionTemperature: positive.optional(),
  selectionNoise: z.boolean().optional(),
  globalTemperature: positive.optional(),
  localTemperature: positive.optional(),
  globalWeight: z.number().min(0).optional(),
  localWeight: z.number().min(0).optional(),
});

const settings = z.strictObject({
  seed: z.number().int().min(0).default(0),
  /** What the torch engine may compute products, convolutions and attention in: float32, TF32 or bfloat16. */
  precision: z.enum(['highest', 'high', 'medium']).default('highest'),
  recipe: z.enum(['grounded', 'paper', 'global']).default('grounded'),
  data: z
    .strictObject({
      kind: z.enum(dataKinds).default('phantom'),
      /** Folder or file of a real data set; `--data` sets it. */
      path: z.string().optional(),
      /** Folder of the reports, if not that of the images (mimic-cxr-jpg). */
      reports: z.string().optional(),
      /** Part of a report that is its text (mimic-cxr-jpg). */
      text: z.enum(['findings', 'impression', 'both', 'longest', 'full']).optional(),
      /** Folder of MS-CXR: its patients are left out of training, because it is tested on (mimic-cxr-jpg). */
      exclude: z.string().optional(),
      /** Folder of MIMIC-CXR-JPG (ms-cxr). */
      images: z.string().optional(),
      /** Where the relative image paths of the table start, if not in its folder (pairs). */
      imageFolder: z.string().optional(),
      /** Leave out rows whose image file is missing, instead of stopping (pairs). */
      allowMissingImages: z.boolean().default(false),
      seed: z.number().int().min(0).default(0),
      /** Patients to generate (phantom). */
      patients: count.default(800),
      /** Side of a generated image in pixels (phantom). */
      size: count.default(64),
      /** Shares of the patients: train, validation, test. `validation` may be 0: training then has no validation loss. */
      fractions: z
        .strictObject({ train: positive, validation: z.number().min(0), test: positive })
        .default({ train: 0.7, validation: 0.1, test: 0.2 }),
      /** Words of a report that are kept. */
      maxWords: count.default(97),
      /** Broken images that are skipped before the run stops. */
      badImageLimit: z.number().int().min(0).default(10),
    })
    .refine(({ kind, path }) => kind !== 'phantom' || path === undefined, {
      path: ['path'],
      message:
        'expected none, since the phantom is generated. Fix: --set data.kind=pairs for a table of images and texts, or the kind of the data set',
    })
    .prefault({}),
  image: z
    .strictObject({
      /** Long side after resizing, pixels. */
      resize: count.default(64),
      /** Side of the crop, pixels: random in training, central in evaluation. */
      crop: count.default(64),
      channels: z.union([z.literal(1), z.literal(3)]).default(1),
    })
    .prefault({}),
  model: z
    .strictObject({
      /** Joint width d. */
      width: count.default(64),
      /** Batch normalisation of words and pixels before they are compared; `auto`: as the recipe says. The paper has none. */
      localNorm: z.enum(['auto', 'none', 'batch']).default('auto'),
      /** Batch normalisation of the two global vectors; `auto`: as the recipe says. */
      globalNorm: z.enum(['auto', 'none', 'batch']).default('auto'),
      image: z
        .strictObject({
          block: z.enum(['basic', 'bottleneck']).default('basic'),
          layers: z.array(count).min(1).max(4).default([1, 1, 1]),
          widths: z.array(count).min(1).max(4).default([16, 32, 64]),
          strides: z.array(count).min(1).max(4).default([1, 2, 1]),
          stem: z.enum(['small', 'imagenet']).default('small'),
          /** Two more channels with each pixel's place, −1…1 (Liu et al. 2018): for encoders too small to see where. */
          coordinates: z.boolean().default(false),
          /** Stage whose feature grid gives the pixels, counted from 1. */
          localStage: count.max(4).default(3),
          /** `batch`: batch statistics in training; `running`: those of the weights, so that a batch may be encoded in parts. */
          batchNorm: z.enum(['batch', 'running']).default('batch'),
          /** Weights to start from, a file or a folder: safetensors or PyTorch; names of torchvision, timm or Hugging Face. */
          weights: z.string().optional(),
        })
        .prefault({}),
      text: z
        .strictObject({
          hiddenSize: count.default(64),
          layers: count.default(2),
          heads: count.default(4),
          intermediateSize: count.default(128),
          maxPositions: count.default(256),
          dropout: z.number().min(0).max(0.9).default(0),
          /** Encoder layers summed into a word (METHOD: last 4). */
          lastLayers: count.default(2),
          /** The report's own vector: the [CLS] token or the mean over its words. */
          global: z.enum(['cls', 'mean']).default('mean'),
          /** Entries of the vocabulary built from the training reports, when no file is given. */
          vocabularySize: count.default(1000),
          /** Tokenizer of a published BERT: vocab.txt, tokenizer.json or their folder. */
          vocabulary: z.string().optional(),
          /** Default: as the tokenizer's own configuration says; true for a vocabulary built here. */
          lowercase: z.boolean().optional(),
          /** Weights to start from, a file or a folder: safetensors or PyTorch, Hugging Face's names. */
          weights: z.string().optional(),
        })
        .prefault({}),
    })
    .prefault({}),
  alignment: alignmentSchema.prefault({}),
  optimizer: z
    .strictObject({
      learningRate: positive.default(1e-3),
      weightDecay: z.number().min(0).default(1e-6),
      /** Largest global gradient norm; 0 switches clipping off. */
      clip: z.number().min(0).default(1),
      schedule: z.enum(['plateau', 'cosine', 'constant']).default('cosine'),
      /** Steps over which the learning rate rises from 0 (cosine). */
      warmup: z.number().int().min(0).default(50),
      /** ReduceLROnPlateau on the validation loss. */
      factor: z.number().positive().max(1).default(0.5),
      patience: z.number().int().min(0).default(5),
    })
    .prefault({}),
  train: z
    .strictObject({
      batchSize: count.default(32),
      /**
       * Pairs that are encoded at once. The loss is still over the whole batch, and its gradients are the same but for
       * batch statistics (`model.image.batchNorm`): memory for fewer pairs, at the price of one more forward pass.
       */
      microBatch: count.optional(),
      /**
       * Copies of the model, each in a thread, that share every batch. The local loss and batch statistics are then over
       * a share, so the number of replicas is part of the experiment, not of the machine.
       */
      replicas: count.default(1),
      epochs: count.default(10),
      /** Stop after so many steps, whatever the epochs say. */
      maxSteps: count.optional(),
      checkpointEverySteps: count.default(200),
    })
    .refine(({ batchSize, replicas }) => batchSize % replicas === 0 && batchSize / replicas > 1, {
      message: 'expected a number that divides train.batchSize into shares of two pairs or more',
      path: ['replicas'],
    })
    .prefault({}),
  evaluate: z
    .strictObject({
      /** Map that the headline numbers are read from; `auto` takes the recipe's own (docs/paper-notes.md). */
      map: z.enum(['auto', 'words', 'phrase', 'gradcam']).default('auto'),
      batchSize: count.default(64),
      bootstrap: count.default(1000),
      /** Overlays and refinement strips in the report. */
      pictures: z.number().int().min(0).default(8),
    })
    .prefault({}),
});

/** The checked configuration of the example. Every key has a default; an unknown key is an error. */
export const configSchema = settings.refine(
  ({ data, optimizer }) => data.fractions.validation > 0 || optimizer.schedule !== 'plateau',
  {
    message: 'expected cosine or constant: plateau follows the validation loss, and data.fractions.validation is 0',
    path: ['optimizer', 'schedule'],
  },
);

export type Config = z.infer<typeof configSchema>;
export type Alignment = Required<z.infer<typeof alignmentSchema>>;
