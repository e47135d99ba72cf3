import { infoNce } from '@medalign/losses';
import { adamStep, globalNormClip, layerNorm, scaledDotProductAttention } from '@medalign/ops';
import * as tf from '@tensorflow/tfjs-core';
import type { Case as Named } from './measure';
import { phantomStep } from './phantom-step';
import { planLocalLoss } from './plan-local-loss';

/** One of ours; pytorch/cases.py has the same under the same name. */
export interface Case extends Named {
  /** Makes the inputs and returns one iteration. */
  make(): Iteration;
}

/** `dispose` frees what outlives a scope: variables and an optimiser's state. */
export type Iteration = (() => void) & { dispose?: () => void };

const normal = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 1);

/** The op alone, and with the gradients of all its inputs for a gradient of ones. */
function both(name: string, inputs: () => tf.Tensor[], f: (...inputs: tf.Tensor[]) => tf.Tensor): Case[] {
  return [
    {
      name: `${name}, forward`,
      make: () => {
        const given = inputs();
        return () => tf.dispose(tf.tidy(() => f(...given)));
      },
    },
    {
      name: `${name}, forward and backward`,
      make: () => {
        const given = inputs();
        const dy = tf.tidy(() => tf.onesLike(f(...given)));
        const gradients = tf.grads(f);
        return () => tf.dispose(gradients(given, dy));
      },
    },
  ];
}

/** Parameter shapes of BERT-base. */
function bertShapes(): number[][] {
  const layer = [
    ...Array.from({ length: 4 }, () => [[768, 768], [768]]).flat(),
    [768],
    [768],
    [3072, 768],
    [3072],
    [768, 3072],
    [768],
    [768],
    [768],
  ];
  const embeddings = [[30522, 768], [512, 768], [2, 768], [768], [768]];
  return [...embeddings, ...Array.from({ length: 12 }, () => layer).flat(), [768, 768], [768]];
}

const infoNceOf = (n: number): Case => ({
  name: `InfoNCE ${n} × 512, forward and backward`,
  memory: n >= 16384,
  make: () => {
    const [a, b] = [normal(n, 512), normal(n, 512)];
    const gradients = tf.grads((x, y) => infoNce(x as tf.Tensor2D, y as tf.Tensor2D, { temperature: 0.07 }));
    return () => tf.dispose(gradients([a, b]));
  },
});

/** The paper's size: 48 reports of 97 words on a grid of 7 × 7 or 14 × 14. `form` is how PyTorch computes it. */
const localLossOf = (pixels: number, form: string): Case => ({
  name: `PLAN local loss 48 × 97 × ${pixels} × 768, forward and backward (PyTorch: ${form})`,
  memory: true,
  make: () => {
    const inputs = [normal(48, 97, 768), normal(48, pixels, 768), normal(768, 768)];
    const gradients = tf.grads(planLocalLoss);
    return () => tf.dispose(gradients(inputs));
  },
});

export const cases: Case[] = [
  ...both(
    'add 4 × 4',
    () => [normal(4, 4), normal(4, 4)],
    (a, b) => tf.add(a, b),
  ),
  ...both(
    'matmul 1024 × 1024',
    () => [normal(1024, 1024), normal(1024, 1024)],
    (a, b) => tf.matMul(a, b),
  ),
  ...both(
    'conv 8 × 56 × 56 × 64, 3 × 3',
    () => [normal(8, 56, 56, 64), normal(3, 3, 64, 64)],
    (x, filter) => tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, 'same'),
  ),
  ...both(
    'LayerNorm 4096 × 768',
    () => [normal(4096, 768), tf.ones([768]), tf.zeros([768])],
    (x, scale, offset) => layerNorm(x!, scale!, offset!),
  ),
  ...both(
    'attention 8 × 12 × 197 × 64',
    () => [normal(8, 12, 197, 64), normal(8, 12, 197, 64), normal(8, 12, 197, 64)],
    (q, k, v) => scaledDotProductAttention(q!, k!, v!),
  ),
  infoNceOf(1024),
  infoNceOf(4096),
  infoNceOf(16384),
  ...[49, 196].flatMap((pixels) => ['factored', 'literal'].map((form) => localLossOf(pixels, form))),
  ...['default', 'fused'].map((form) => ({
    name: `AdamW over the parameters of BERT-base (PyTorch: ${form})`,
    make: () => {
      const make = (value: number) => bertShapes().map((shape) => tf.fill(shape, value) as tf.Tensor);
      const gradients = make(0.01);
      let state = { weights: make(1), means: make(0), squares: make(0) };
      const options = { stepSize: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, shrink: 1 - 1e-6, inPlace: true };
      return () => {
        const { weights, means, squares } = state;
        const parameters = weights.map((weight, i) => ({
          weight,
          gradient: gradients[i]!,
          mean: means[i]!,
          square: squares[i]!,
        }));
        const next = adamStep(parameters, options);
        tf.dispose(state);
        state = {
          weights: next.map((p) => p.weight),
          means: next.map((p) => p.mean),
          squares: next.map((p) => p.square),
        };
      };
    },
  })),
  {
    name: 'clipping by the global norm, the gradients of BERT-base',
    make: () => {
      const gradients = bertShapes().map((shape) => tf.fill(shape, 0.01));
      return () => {
        const { clipped, norm } = globalNormClip(gradients, { maxNorm: 1 });
        tf.dispose([norm, ...clipped]);
      };
    },
  },
  { name: 'training step of npm run plan, 32 images and reports', make: phantomStep },
];
