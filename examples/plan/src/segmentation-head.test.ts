import { useBackend } from '@medalign/backend';
import { onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { bilinear, SegmentationHead, type SegmentationSample } from './segmentation-head';
import { headTwin, type State } from './testing/twins';

const size = { side: 4, d: 3, crop: 8 };

/** Images whose first feature is high where the finding is; the last one has none, and padding below. */
function samples(count: number): SegmentationSample[] {
  return Array.from({ length: count }, (_, n) => {
    const [row, column] = [n % 3, (n >> 1) % 3];
    const inside = (y: number, x: number) =>
      y >= row && y < row + 2 && x >= column && x < column + 2 && n !== count - 1;
    const features = Float32Array.from({ length: 4 * 4 * 3 }, (_, i) => {
      const [cell, k] = [Math.floor(i / 3), i % 3];
      const signal = k === 0 && inside(Math.floor(cell / 4), cell % 4) ? 2 : 0;
      return signal + Math.sin(7 * i + 13 * n) / 2;
    });
    const mask = Uint8Array.from({ length: 64 }, (_, i) => Number(inside(i >> 4, (i % 8) >> 1)));
    const known = Uint8Array.from({ length: 64 }, (_, i) => Number(n !== count - 1 || i < 40));
    return { features, mask, known };
  });
}

function lossTwin(state: State, batch: readonly SegmentationSample[]): number {
  const each = batch.map(({ features, mask, known }) => {
    const p = headTwin(state, features, size);
    let [entropy, n, both, predicted, target] = [0, 0, 0, 0, 0];
    for (let i = 0; i < 64; i++) {
      if (!known[i]) continue;
      entropy -= mask[i] ? Math.log(p[i]!) : Math.log(1 - p[i]!);
      n += 1;
      both += mask[i] ? p[i]! : 0;
      predicted += p[i]!;
      target += mask[i]!;
    }
    return entropy / n + (target ? 1 - (2 * both + 1) / (predicted + target + 1) : 0);
  });
  return each.reduce((a, b) => a + b, 0) / each.length;
}

describe('bilinear', () => {
  it('weighs the two nearest cell centres', () => {
    expect([...bilinear(2, 4)]).toEqual([1, 0, 0.75, 0.25, 0.25, 0.75, 0, 1]);
    expect([...bilinear(1, 3)]).toEqual([1, 1, 1]);
    const weights = bilinear(5, 7);
    for (let u = 0; u < 7; u++) {
      const row = [...weights.subarray(5 * u, 5 * u + 5)];
      expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
      const centre = Math.min(4, Math.max(0, ((u + 0.5) * 5) / 7 - 0.5));
      expect(row.reduce((sum, w, cell) => sum + w * cell, 0)).toBeCloseTo(centre, 6);
    }
  });
});

onEveryEngine('SegmentationHead', () => {
  it('has the loss and the probabilities of plain loops', async () => {
    const head = new SegmentationHead({ ...size, seed: 3, hidden: 4 });
    const batch = samples(4);
    const state = await head.state();
    const [map] = await head.probabilities([batch[0]!.features]);
    headTwin(state, batch[0]!.features, size).forEach((p, i) => {
      expect(map![i]).toBeCloseTo(p, 4);
    });
    const loss = head.loss(batch);
    expect((await loss.data())[0]).toBeCloseTo(lossTwin(state, batch), 4);
    loss.dispose();
    head.dispose();
  });
});

describe('training the head', () => {
  beforeAll(() => useBackend('wasm') as Promise<unknown>);

  it('finds what the features show, goes back to its best epoch, and leaks nothing', async () => {
    const before = tf.memory().numTensors;
    const [train, validation] = [samples(24), samples(7)];
    const run = async () => {
      const head = new SegmentationHead({ ...size, seed: 1, hidden: 8 });
      const trained = await head.train(train, validation, { seed: 1, epochs: 25, batchSize: 8, learningRate: 0.02 });
      const state = await head.state();
      head.dispose();
      return { ...trained, state };
    };
    const first = await run();
    expect(first.validationLoss).toBeCloseTo(lossTwin(first.state, validation), 3);
    const map = headTwin(first.state, validation[0]!.features, size);
    const right = map.filter((p, i) => p > 0.5 === (validation[0]!.mask[i] === 1)).length;
    expect(right / 64).toBeGreaterThan(0.85);
    expect(first.bestEpoch).toBeGreaterThan(3);
    const again = await run();
    for (const [name, { data }] of first.state) expect(again.state.get(name)!.data).toEqual(data);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('stops when validation no longer falls, and keeps the untrained head if nothing is better', async () => {
    const head = new SegmentationHead({ ...size, seed: 1, hidden: 4 });
    const validation = samples(4);
    const trained = await head.train(samples(8), validation, { seed: 0, learningRate: 5, patience: 2, epochs: 30 });
    expect(trained.epochs).toBeLessThan(30);
    expect(trained.validationLoss).toBeCloseTo(lossTwin(await head.state(), validation), 3);
    head.dispose();
  });
});
