import { useBackend } from '@medalign/backend';
import { valueAndGradients } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { sides, vqaConfigOf } from './testing/vqa-tiny';
import { createVqaModel } from './vqa';
import { VqaData } from './vqa-data';

beforeAll(() => useBackend('wasm') as Promise<unknown>);

describe('VqaModel', () => {
  const prepared = async (...sets: string[]) => {
    const config = vqaConfigOf('head.dropout=0', 'model.text.dropout=0', ...sets);
    const data = await VqaData.of(sides(), config);
    const model = await createVqaModel(config, data);
    for await (const batch of data.evaluationBatches(data.images.train.slice(0, 3)))
      return { data, model, batch, inputs: data.onEngine(batch) };
    throw new Error('no batch');
  };

  it('gives each question the image it is about', async () => {
    const { data, model, inputs, batch } = await prepared();
    const together = await model.logits(inputs).array();
    for (const [i, image] of batch.images.entries()) {
      for (const question of image.questions) {
        for await (const own of data.evaluationBatches([{ ...image, questions: [question] }])) {
          const [alone] = await model.logits(data.onEngine(own)).array();
          const row = batch.questions.indexOf(question);
          expect(batch.imageOf[row]).toBe(i);
          together[row]!.forEach((value, c) => {
            expect(value).toBeCloseTo(alone![c]!, 4);
          });
        }
      }
    }
    model.dispose();
  });

  it('has the cross-entropy of plain loops, and the gradient that its differences have', async () => {
    const { model, inputs, batch } = await prepared();
    const logits = await model.logits(inputs).array();
    const expected = logits.map((row, i) => {
      const sum = row.reduce((total, value) => total + Math.exp(value), 0);
      return -Math.log(Math.exp(row[batch.labels[i]!]!) / sum);
    });
    const loss = () => model.loss(inputs).dataSync()[0]!;
    expect(loss()).toBeCloseTo(expected.reduce((a, b) => a + b, 0) / expected.length, 5);
    const parameters = model.parameters();
    const { gradients } = valueAndGradients(() => model.loss(inputs), parameters);
    const names = ['answer.classifier.3.bias', 'answer.question.1.weight', 'heads.text.weight', 'roi.norm.weight', 'heads.image.weight']; // biome-ignore format: one line
    for (const name of names) {
      const variable = parameters.get(name)!;
      const values = variable.dataSync().slice();
      const gradient = gradients.get(name)!.dataSync() as Float32Array;
      const place = gradient.reduce((best, value, i) => (Math.abs(value) > Math.abs(gradient[best]!) ? i : best), 0);
      const moved = (by: number) => {
        const changed = values.slice();
        changed[place] = changed[place]! + by;
        tf.tidy(() => variable.assign(tf.tensor(changed, variable.shape)));
        return loss();
      };
      const difference = (moved(0.01) - moved(-0.01)) / 0.02;
      moved(0);
      expect(Math.abs(difference - gradient[place]!) / Math.abs(gradient[place]!), name).toBeLessThan(0.05);
    }
    model.dispose();
  });

  it('answers without the image when it is blind', async () => {
    const { data, model, inputs } = await prepared();
    const blind = await createVqaModel(data.config, data, { blind: true });
    const bright = { ...inputs, images: tf.mul(inputs.images, -1) as tf.Tensor4D };
    expect([...blind.logits(bright).dataSync()]).toEqual([...blind.logits(inputs).dataSync()]);
    expect([...model.logits(bright).dataSync()]).not.toEqual([...model.logits(inputs).dataSync()]);
    blind.dispose();
    model.dispose();
  });
});
