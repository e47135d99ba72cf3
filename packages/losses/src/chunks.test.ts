import { useBackend } from '@medalign/backend';
import { expectClose, expectNoLeak, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { imageRegionLoss, infoNce, sigmoidContrastive } from './index';

beforeAll(async () => {
  await useBackend('wasm');
});

type Loss = (a: tf.Tensor, b: tf.Tensor, chunkSize?: number) => tf.Tensor;

/** Value and gradients, and the most bytes of tensors that were alive on the way. */
async function measure(loss: Loss, inputs: tf.Tensor[], chunkSize?: number) {
  let values: tf.Tensor[] = [];
  const start = tf.memory().numBytes;
  const { peakBytes } = await tf.profile(() => {
    const { value, grads } = tf.valueAndGrads((a, b) => loss(a!, b!, chunkSize) as tf.Scalar)(inputs);
    values = [value, ...grads];
  });
  return { values, peak: peakBytes - start };
}

async function compare(loss: Loss, inputs: tf.Tensor[], chunkSize: number) {
  const whole = await measure(loss, inputs);
  const chunked = await measure(loss, inputs, chunkSize);
  chunked.values.forEach((value, i) => {
    expectClose(value, whole.values[i]!, 1e-6);
  });
  return { whole: whole.peak, chunked: chunked.peak };
}

const r = random(8);
const n = 768;
const embeddings = () => [r.tensor([n, 16]), r.tensor([n, 16])];
const matrix = 4 * n * n;

it.each<[string, Loss]>([
  ['infoNce', (a, b, chunkSize) => infoNce(a as tf.Tensor2D, b as tf.Tensor2D, { chunkSize })],
  ['sigmoidContrastive', (a, b, chunkSize) => sigmoidContrastive(a as tf.Tensor2D, b as tf.Tensor2D, { chunkSize })],
])('%s in chunks: the same numbers, and never an n × n matrix', async (_, loss) => {
  const peak = await compare(loss, embeddings(), 32);
  expect(peak.whole).toBeGreaterThan(2 * matrix);
  expect(peak.chunked).toBeLessThan(matrix / 2);
});

it.each(['linear', 'softmax'] as const)('imageRegionLoss with %s attention in chunks', async (attention) => {
  const [b, l, p, d] = [16, 12, 20, 16];
  const loss: Loss = (w, v, chunkSize) =>
    imageRegionLoss(w as tf.Tensor3D, v as tf.Tensor3D, { attention, chunkSize: chunkSize ?? b });
  const peak = await compare(loss, [r.tensor([b, l, d]), r.tensor([b, p, d])], 1);
  expect(peak.chunked).toBeLessThan(peak.whole / 3);
  // linear attention never builds the word–pixel matrix of all pairs
  if (attention === 'linear') {
    const wide: Loss = (w, v) => imageRegionLoss(w as tf.Tensor3D, v as tf.Tensor3D, { chunkSize: 1 });
    const { peak: bytes } = await measure(wide, [r.tensor([b, l, d]), r.tensor([b, 4000, d])]);
    expect(bytes).toBeLessThan(4 * b * b * l * 4000);
  }
});

it('imageRegionLoss spends no memory on padded words', async () => {
  const [b, l, p, d] = [8, 40, 64, 16];
  const wordMask = tf.tensor2d(
    Array.from({ length: b * l }, (_, i) => (i % l < 8 ? 1 : 0)),
    [b, l],
  );
  const loss =
    (mask?: tf.Tensor2D): Loss =>
    (w, v) =>
      imageRegionLoss(w as tf.Tensor3D, v as tf.Tensor3D, { attention: 'softmax', wordMask: mask });
  const inputs = [r.tensor([b, l, d]), r.tensor([b, p, d])];
  const [all, some] = [await measure(loss(), inputs), await measure(loss(wordMask), inputs)];
  expect(some.peak).toBeLessThan(all.peak / 3);
});

it('imageRegionLoss in groups is the mean over the reports of the losses of the groups alone, with its gradient', () => {
  const r = random(5);
  const [words, values] = [r.tensor<tf.Rank.R3>([5, 3, 4]), r.tensor<tf.Rank.R3>([5, 6, 4])];
  const wordMask = tf.tensor2d([1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 0, 1, 1, 1], [5, 3]);
  const options = { attention: 'softmax', similarity: { kind: 'cosine' } } as const;
  const grouped = (w: tf.Tensor, v: tf.Tensor) =>
    imageRegionLoss(w as tf.Tensor3D, v as tf.Tensor3D, { ...options, wordMask, groupSize: 3 });
  const alone = (w: tf.Tensor, v: tf.Tensor, start: number, size: number) => {
    const part = (x: tf.Tensor) => tf.slice(x, [start, ...x.shape.slice(1).map(() => 0)], [size, ...x.shape.slice(1)]);
    const mask = part(wordMask) as tf.Tensor2D;
    return imageRegionLoss(part(w) as tf.Tensor3D, part(v) as tf.Tensor3D, {
      ...options,
      wordMask: mask,
      reduction: 'sum',
    });
  };
  // five samples in groups of at most three: two and three; one report has no word
  const byHand = (w: tf.Tensor, v: tf.Tensor) => tf.div(tf.add(alone(w, v, 0, 2), alone(w, v, 2, 3)), 4) as tf.Scalar;
  expectClose(grouped(words, values), byHand(words, values), 1e-6);
  const [ours, wanted] = [tf.grads(grouped)([words, values]), tf.grads(byHand)([words, values])];
  ours.forEach((gradient, i) => {
    expectClose(gradient, wanted[i]!, 1e-5);
  });
  expectClose(
    imageRegionLoss(words, values, { ...options, wordMask, groupSize: 5 }),
    imageRegionLoss(words, values, { ...options, wordMask }),
    0,
  );
  expectNoLeak(() => grouped(words, values), [words, values, wordMask]);
});
