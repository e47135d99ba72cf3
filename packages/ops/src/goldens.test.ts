import { readFileSync } from 'node:fs';
import { maxDifference, onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import * as ops from './index';
import { tolerances } from './tolerances';

type Tensors = Record<string, tf.Tensor>;
type Options = Record<string, number>;
interface Stored {
  shape: number[];
  dtype: 'float32' | 'int32';
  data: number[];
}
interface Golden {
  op: string;
  name: string;
  inputs: Record<string, Stored>;
  options: Options;
  outputs: Record<string, Stored>;
  weights: Record<string, Stored>;
  gradients: Record<string, Stored>;
}

const { cases }: { cases: Golden[] } = JSON.parse(
  readFileSync(new URL('../goldens/ops.json', import.meta.url), 'utf8'),
);
const tensor = ({ shape, dtype, data }: Stored) => tf.tensor(data, shape, dtype);
const tensors = (stored: Record<string, Stored>): Tensors =>
  Object.fromEntries(Object.entries(stored).map(([name, value]) => [name, tensor(value)]));

/** Each op by the names of the goldens. */
const run: Record<string, (inputs: Tensors, options: Options) => Tensors> = {
  linear: ({ x, weight, bias }) => ({ y: ops.linear(x!, weight!, { bias: bias! }) }),
  layerNorm: ({ x, scale, offset }, options) => ({ y: ops.layerNorm(x!, scale!, offset!, options) }),
  gelu: ({ x }, options) => ({ y: ops.gelu(x!, options) }),
  batchNormTraining: ({ x, scale, offset }) => ({ y: ops.batchNormTraining(x!, scale!, offset!).output }),
  batchNormInference: ({ x, scale, offset, mean, variance }, options) => ({
    y: ops.batchNormInference(x!, scale!, offset!, { mean: mean!, variance: variance!, ...options }),
  }),
  softmaxCrossEntropy: ({ logits, labels }, options) => ({ loss: ops.softmaxCrossEntropy(logits!, labels!, options) }),
  scaledDotProductAttention: ({ q, k, v, mask }, options) => ({
    y: ops.scaledDotProductAttention(q!, k!, v!, { ...options, ...(mask && { mask }) }),
  }),
  embedding: ({ table, ids }) => ({ y: ops.embedding(ids!, table!) }),
  segmentSum: ({ x, ids }, { segments }) => ({ y: ops.segmentSum(x!, ids!, { segments: segments! }) }),
  adamStep: (inputs, { learningRate, beta1, beta2, epsilon, weightDecay }) => {
    const count = Object.keys(inputs).filter((name) => name.startsWith('weight')).length;
    const zeros = (i: number) => tf.zeros(inputs[`weight ${i}`]!.shape);
    let state = Array.from({ length: count }, (_, i) => ({
      weight: inputs[`weight ${i}`]!,
      mean: zeros(i),
      square: zeros(i),
    }));
    for (let step = 1; step <= 3; step++) {
      const parameters = state.map((own, i) => ({ ...own, gradient: inputs[`gradient ${i}, step ${step}`]! }));
      const correction = Math.sqrt(1 - beta2! ** step);
      state = ops.adamStep(parameters, {
        stepSize: (learningRate! * correction) / (1 - beta1! ** step),
        beta1: beta1!,
        beta2: beta2!,
        epsilon: epsilon! * correction,
        shrink: 1 - learningRate! * weightDecay!,
        inPlace: step > 1, // the golden's own tensors are read again
      });
    }
    return Object.fromEntries(state.map(({ weight }, i) => [`weight ${i}`, weight]));
  },
  globalNormClip: (inputs, { maxNorm }) => {
    const { clipped, norm } = ops.globalNormClip(Object.values(inputs), { maxNorm: maxNorm! });
    return { norm, ...Object.fromEntries(clipped.map((x, i) => [`clipped ${i}`, x])) };
  },
};

onEveryEngine('PyTorch', () => {
  describe.each(cases)('$op: $name', ({ op, inputs: stored, options, outputs, weights, gradients }) => {
    const tolerance = tolerances[op]!;

    it('value', () => {
      const got = run[op]!(tensors(stored), options);
      expect(Object.keys(got).sort()).toEqual(Object.keys(outputs).sort());
      for (const [key, wanted] of Object.entries(outputs)) {
        expect(got[key]!.shape).toEqual(wanted.shape);
        expect(maxDifference(got[key]!, wanted.data), key).toBeLessThanOrEqual(tolerance.value);
      }
    });

    const learned = Object.keys(gradients);
    if (learned.length === 0) return;
    it('gradients', () => {
      const given = tensors(stored);
      const weighing = tensors(weights);
      const total = (...xs: tf.Tensor[]) => {
        const inputs = { ...given, ...Object.fromEntries(learned.map((key, i) => [key, xs[i]!])) };
        const terms = Object.entries(run[op]!(inputs, options)).map(([key, y]) => tf.sum(tf.mul(y, weighing[key]!)));
        return tf.addN(terms) as tf.Scalar;
      };
      tf.grads(total)(learned.map((key) => given[key]!)).forEach((gradient, i) => {
        const wanted = gradients[learned[i]!]!;
        expect(gradient.shape).toEqual(wanted.shape);
        expect(maxDifference(gradient, wanted.data), learned[i]!).toBeLessThanOrEqual(tolerance.gradient);
      });
    });
  });
});
