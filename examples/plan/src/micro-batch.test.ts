import { useBackend } from '@medalign/backend';
import { valueAndGradients } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { onEngine, PlanData, shareOf } from './data';
import { resolveAlignment } from './recipes';
import { configOf } from './testing/tiny';
import { createModel } from './train';

describe('a batch that is encoded in parts', () => {
  beforeAll(() => useBackend('wasm') as Promise<unknown>);

  /** Largest difference of the loss and of a gradient, each relative to its largest value. */
  async function difference(microBatch: number, ...sets: string[]) {
    const config = configOf('train.batchSize=6', 'model.text.dropout=0', ...sets);
    const data = await PlanData.load(config);
    const model = await createModel(config, data);
    const { value: batch } = await data.trainingBatches(0).next();
    const { images, texts, dispose } = onEngine(shareOf(batch!, 0, 1), data.tokenizer, config);
    const gradientsOf = (size: number | undefined) => {
      const loss = () =>
        model.loss(images, texts, resolveAlignment(config), { training: true, seed: 5, microBatch: size });
      const { value, gradients } = valueAndGradients(loss, model.parameters());
      return { loss: value.dataSync()[0]!, gradients };
    };
    const [whole, parts] = [gradientsOf(undefined), gradientsOf(microBatch)];
    expect([...parts.gradients.keys()]).toEqual([...whole.gradients.keys()]);
    const largest = (tensor: tf.Tensor) => tf.max(tf.abs(tensor)).dataSync()[0]!;
    // before batch normalisation a bias has the gradient 0, and rounding: small is what is small beside the others
    const floor = 0.01 * Math.max(...[...whole.gradients.values()].map(largest));
    const worst = [...whole.gradients].map(([name, gradient]) => {
      const size = Math.max(floor, largest(gradient));
      return largest(tf.sub(gradient, parts.gradients.get(name)!)) / size;
    });
    const counted = model.variables().get('image.bn1.num_batches_tracked')!.dataSync()[0];
    dispose();
    model.dispose();
    return { loss: Math.abs(whole.loss / parts.loss - 1), gradient: Math.max(...worst), counted };
  }

  it.each([
    ['the paper: texts encoded again in every round', ['recipe=paper']],
    ['grounded: normalised over the whole batch', ['recipe=grounded', 'alignment.imageGroup=0']],
    ['global only', ['recipe=global']],
  ])('has the loss and gradients of the whole batch: %s', async (_, sets) => {
    const { loss, gradient } = await difference(2, ...sets, 'model.image.batchNorm=running');
    expect(loss).toBeLessThan(1e-5);
    expect(gradient).toBeLessThan(1e-5);
  });

  it('has other batch statistics, and moves the running ones once for each part', async () => {
    const { loss, counted } = await difference(3, 'recipe=paper', 'model.image.batchNorm=batch');
    expect(loss).toBeGreaterThan(1e-5);
    expect(counted).toBe(1 + 2);
  });
});
