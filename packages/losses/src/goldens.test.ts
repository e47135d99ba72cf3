import { readFileSync } from 'node:fs';
import { expectClose, onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, it } from 'vitest';
import * as losses from './index';

interface Stored {
  shape: number[];
  data: number[];
}
interface Golden {
  name: string;
  loss: string;
  arguments: Stored[];
  tensors: Record<string, Stored>;
  options: Record<string, unknown>;
  value: Stored;
  gradients: Record<string, Stored>;
}

const goldens: Golden[] = JSON.parse(readFileSync(new URL('../goldens/losses.json', import.meta.url), 'utf8'));
const byName = new Map<string, unknown>(Object.entries(losses));
// its inputs go by name: terms, and the s of each
byName.set('combineLosses', ({ weighting, chunkSize, ...tensors }: Record<string, never>) => {
  const names = ['global', 'roi', 'negative'];
  const uncertainties = new Map(names.map((name) => [name, tensors[`s.${name}`]!]));
  const terms = Object.fromEntries(names.map((name) => [name, tensors[name]!]));
  return losses.combineLosses(terms, { weighting, uncertainties }).total;
});
const tensor = ({ shape, data }: Stored) => tf.tensor(data, shape, 'float32');

onEveryEngine('PyTorch', () => {
  describe.each(goldens)('$loss: $name', ({ loss, arguments: stored, tensors, options, value, gradients }) => {
    const f = byName.get(loss) as (...all: unknown[]) => tf.Tensor;
    const chunked = ['infoNce', 'sigmoidContrastive', 'imageRegionLoss', 'gloriaLocalLoss'].includes(loss);

    it.each(chunked ? [undefined, 2] : [undefined])('value and gradients (chunkSize %s)', (chunkSize) => {
      const names = [...stored.map((_, i) => `argument ${i}`), ...Object.keys(tensors)];
      const inputs = [...stored, ...Object.values(tensors)].map(tensor);
      const call = (...all: tf.Tensor[]) => {
        const named = Object.fromEntries(Object.keys(tensors).map((key, i) => [key, all[stored.length + i]]));
        return f(...all.slice(0, stored.length), { ...options, ...named, chunkSize });
      };
      expectClose(call(...inputs), value.data, 1e-5);
      // masks and labels are constants: only what PyTorch differentiates is asked for
      const learned = names.filter((name) => name in gradients);
      const wanted = learned.map((name) => inputs[names.indexOf(name)]!);
      const got = tf.grads((...xs) =>
        tf.sum(call(...inputs.map((input, i) => xs[learned.indexOf(names[i]!)] ?? input))),
      )(wanted);
      got.forEach((gradient, i) => {
        expectClose(gradient, gradients[learned[i]!]!.data, 1e-4);
      });
    });
  });
});
