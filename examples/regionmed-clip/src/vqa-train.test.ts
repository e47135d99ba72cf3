import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useBackend } from '@medalign/backend';
import { latestCheckpoint, RunFolder, readMetrics } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sides, vqaConfigOf } from './testing/vqa-tiny';
import { createVqaModel } from './vqa';
import { VqaData } from './vqa-data';
import { answerQuestions } from './vqa-evaluate';
import { trainVqa } from './vqa-train';

/** Aborted when it is asked for the nth time, which the loop does once a step. */
const stopAfter = (steps: number) => {
  let asked = 0;
  return {
    get aborted() {
      return ++asked >= steps;
    },
    reason: new Error('stopped by hand'),
  } as AbortSignal;
};

let folder: string;
beforeAll(() => useBackend('wasm') as Promise<unknown>);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'medalign-vqa-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = (name: string) => {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  return { path, metrics: join(path, 'metrics.jsonl'), checkpoints: join(path, 'checkpoints') };
};

describe('trainVqa', () => {
  it('learns what only the image says, and leaves no tensor behind', async () => {
    const config = vqaConfigOf('train.epochs=14', 'train.patience=14', 'train.jitter=0', 'data.validation=0.25');
    const data = await VqaData.of(sides({ train: 32, test: 12 }), config);
    const tensors = tf.memory().numTensors;
    const model = await createVqaModel(config, data);
    const { steps, epochs, best } = await trainVqa(model, data, { folder: at('run') });
    const lines = readMetrics(at('run').metrics);
    const losses = lines.filter(({ kind }) => kind === 'train').map(({ loss }) => loss as number);
    expect([steps, epochs, losses.length]).toEqual([84, 14, 84]);
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    expect(mean(losses.slice(-6))).toBeLessThan(0.5 * mean(losses.slice(0, 6)));
    const accuracies = lines.filter(({ kind }) => kind === 'validation').map(({ accuracy }) => accuracy as number);
    expect(best).toEqual({ epoch: 1 + accuracies.indexOf(Math.max(...accuracies)), accuracy: Math.max(...accuracies) });
    const answered = await answerQuestions(model, data, data.images.test);
    const share = answered.filter(({ answer, prediction }) => answer === prediction).length / answered.length;
    expect(share).toBeGreaterThan(0.85); // one of two, for who knows the question alone
    model.dispose();
    expect(tf.memory().numTensors).toBe(tensors);
  });

  it('stops when the validation does not get better, and takes the best epoch', async () => {
    const config = vqaConfigOf('train.epochs=30', 'train.patience=2', 'train.learningRate=1e-12');
    const data = await VqaData.of(sides(), config);
    const model = await createVqaModel(config, data);
    const { epochs, best } = await trainVqa(model, data, { folder: at('run') });
    expect(epochs).toBe(best.epoch + 2);
    expect(epochs).toBeLessThan(30);
    model.dispose();
  });

  it.each([1, 3, 4, 8])('goes on after step %d to the same bits', async (stop) => {
    const config = vqaConfigOf('data.validation=0.2');
    const data = await VqaData.of(sides(), config);
    expect(data.stepsPerEpoch).toBe(3);
    const attempt = async (name: string, { resume = false, signal }: { resume?: boolean; signal?: AbortSignal }) => {
      const model = await createVqaModel(config, data);
      const run = new RunFolder(join(folder, name), { config, resume });
      try {
        await trainVqa(model, data, { folder: run, resume, ...(signal && { signal }) });
        return [...model.variables().values()].map((variable) => [...variable.dataSync()]);
      } finally {
        model.dispose();
      }
    };
    const whole = await attempt('whole', {});
    // asked once a step, and once after an epoch
    await expect(attempt('parts', { signal: stopAfter(stop) })).rejects.toThrow('stopped by hand');
    expect(await attempt('parts', { resume: true })).toEqual(whole);
    const bytes = (name: string, file: string) => {
      const content = readFileSync(file.startsWith('/') ? file : join(folder, name, 'checkpoints', file));
      return content.subarray(8 + Number(content.readBigUInt64LE(0)));
    };
    for (const file of ['latest', 'best.safetensors']) {
      const of = (name: string) => bytes(name, file === 'latest' ? latestCheckpoint(join(folder, name))! : file);
      expect(of('parts').equals(of('whole')), file).toBe(true);
    }
    const lines = (name: string) =>
      readMetrics(join(folder, name, 'metrics.jsonl')).map(({ seconds: _, ...line }) => line);
    expect(lines('parts')).toEqual(lines('whole'));
  });
});
