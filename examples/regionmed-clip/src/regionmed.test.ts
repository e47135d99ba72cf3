import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { useBackend } from '@medalign/backend';
import { latestCheckpoint, loadConfig, NonFiniteError, RunFolder, readMetrics } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { configSchema, curriculumOf } from './config';
import { RegionMedData } from './data';
import type { EncodedSample } from './encoded';
import { measure } from './evaluate';
import { writeRegionMedReport } from './report';
import type { StageLine } from './run';
import { initialModel } from './step';
import { summarize, toJson } from './summary';
import { configOf } from './testing/tiny';
import { createModel, scheduleOf, train } from './train';

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

describe('the RegionMed-CLIP example', () => {
  let folder: string;
  beforeAll(() => useBackend('wasm') as Promise<unknown>);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'medalign-regionmed-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('refuses what does not fit, and names it', () => {
    expect(() => configOf('optimizer.weightdecay=1')).toThrow(/weightDecay/);
    expect(() => configOf('train.replicas=3')).toThrow(/train\.replicas.*divides stages\.0\.batchSize/s);
    expect(() => configOf('model.roi.cropSize=16')).toThrow(/model\.roi\.cropSize.*share batch statistics/s);
    expect(() => configOf('stages.0.losses=[local]')).toThrow(/stages\.0\.losses/);
  });

  it('reads the configurations that come with it; the paper has its four stages and sizes', () => {
    const file = (name: string) => fileURLToPath(new URL(`../configs/${name}`, import.meta.url));
    expect(loadConfig({ file: file('phantom.yaml'), schema: configSchema }).stages.length).toBe(4);
    const { stages, model, optimizer, image } = loadConfig({ file: file('paper.yaml'), schema: configSchema });
    expect(stages.map((s) => [s.name, s.epochs, s.learningRate, s.batchSize, s.losses.join('+')])).toEqual([
      ['warmup', 2, 1e-4, 16, 'global'],
      ['global', 8, 2e-4, 16, 'global'],
      ['region', 8, 2e-4, 16, 'roi+negative'],
      ['joint', 8, 3e-5, 12, 'global+roi+negative'],
    ]);
    expect(model).toMatchObject({ width: 512, image: { kind: 'vit' }, roi: { features: 'crops', max: 4, heads: 8 } });
    expect([optimizer.weightDecay, optimizer.clip, image.crop]).toEqual([0.02, 0.5, 224]);
  });

  it('says which batch size fits where there are fewer images than a batch', async () => {
    const config = configOf('stages.1.batchSize=512');
    const data = await RegionMedData.load(config);
    const images = data.split.train.length;
    const training = train(config, data, { model: await createModel(config, data) });
    await expect(training).rejects.toThrow(
      `stages.1.batchSize: expected at most the ${images} images to train on, got 512. Fix: --set stages.1.batchSize=${Math.max(2, Math.floor(images / 4))}`,
    );
  });

  it('trains all stages, moves what each is for, and leaves no tensor behind', async () => {
    const config = configOf('stages.1.freeze=[text.*, heads.text.*]');
    const data = await RegionMedData.load(config);
    const tensors = tf.memory().numTensors;
    const model = await createModel(config, data);
    const snapshot = () => new Map([...model.parameters()].map(([name, v]) => [name, v.dataSync().slice()]));
    let last = snapshot();
    const moved: Record<string, Set<string>> = {};
    const { steps, emptySteps } = await train(config, data, {
      model,
      onStageEnd: async ({ name }) => {
        const now = snapshot();
        const names = [...now.keys()].filter((key) => now.get(key)!.some((v, i) => v !== last.get(key)![i]));
        moved[name] = new Set(names);
        last = now;
        return {};
      },
    });
    expect([steps, emptySteps]).toEqual([6, 0]);
    const parts = (stage: string) =>
      [...new Set([...moved[stage]!].map((name) => name.replace(/^(loss\.\w+|\w+).*/, '$1')))].sort();
    expect(parts('global')).toEqual(['heads', 'image', 'loss.global', 'text']);
    expect(parts('region')).toEqual(['heads', 'image', 'loss.negative', 'loss.roi', 'roi']);
    expect(moved.region!.has('heads.text.weight')).toBe(false);
    expect(parts('joint')).toEqual(['heads', 'image', 'loss.global', 'loss.negative', 'loss.roi', 'roi', 'text']);
    model.dispose();
    expect(tf.memory().numTensors).toBe(tensors);
  });

  it('has no weight decay on biases, norms and loss weights', async () => {
    // no gradient reaches anything but what the loss is made of, and a large decay shows where it acts
    const config = configOf('optimizer.weightDecay=1', 'model.roi.features=align', 'model.image.kind=vit');
    const free = configOf('optimizer.weightDecay=0', 'model.roi.features=align', 'model.image.kind=vit');
    const trained = async (of: typeof config) => {
      const data = await RegionMedData.load(of);
      const model = await createModel(of, data);
      await train(
        { ...of, stages: [{ ...of.stages[2]!, learningRate: 1e-6 }], train: { ...of.train, maxStepsPerStage: 1 } },
        data,
        { model },
      );
      const values = new Map([...model.parameters()].map(([name, v]) => [name, v.dataSync().slice()]));
      const shapes = new Map([...model.parameters()].map(([name, v]) => [name, v.shape]));
      model.dispose();
      return { values, shapes };
    };
    const [decayed, plain] = [await trained(config), await trained(free)];
    for (const [name, values] of decayed.values) {
      const spared = decayed.shapes.get(name)!.length < 2 || /cls_token|pos_embed/.test(name);
      const same = values.every((v, i) => v === plain.values.get(name)![i]);
      // what is 0, or has no part in the loss, stays where it is
      if (spared) expect(same, name).toBe(true);
      else if (/roi\.attention\.q_proj\.weight|image\.blocks\.0\.attn\.qkv\.weight/.test(name))
        expect(same, name).toBe(false);
    }
  });

  it.each([
    [1, 'crops', 1],
    [2, 'align', 1],
    [5, 'crops', 1],
    [3, 'align', 2],
  ])('goes on after step %d to the same bits (%s, %d replicas)', async (stop, features, replicas) => {
    const sets = [
      `train.replicas=${replicas}`,
      `model.roi.features=${features}`,
      'stages.1.schedule={kind: cosine, warmupSteps: 1}',
      'stages.2.resetOptimizer=false',
      'loss.text=sample',
    ];
    const config = configOf(...sets);
    const data = await RegionMedData.load(config);
    const attempt = async (path: string, { resume = false, signal }: { resume?: boolean; signal?: AbortSignal }) => {
      const model = await createModel(config, data);
      const run = new RunFolder(path, { config, resume });
      try {
        await train(config, data, { model, run, resume, ...(signal && { signal }) });
      } finally {
        model.dispose();
      }
    };
    const [whole, parts] = [join(folder, 'whole'), join(folder, 'parts')];
    await attempt(whole, {});
    await expect(attempt(parts, { signal: stopAfter(stop) })).rejects.toThrow('stopped by hand');
    expect(latestCheckpoint(parts)).toContain(`${stop}.safetensors`);
    await attempt(parts, { resume: true });
    const tensorsOf = (path: string) => {
      const file = readFileSync(latestCheckpoint(path)!);
      return file.subarray(8 + Number(file.readBigUInt64LE(0)));
    };
    expect(latestCheckpoint(parts)).toContain('6.safetensors');
    expect(tensorsOf(parts).equals(tensorsOf(whole))).toBe(true);
    const lines = (path: string) => readMetrics(join(path, 'metrics.jsonl')).map(({ seconds: _, ...line }) => line);
    expect(lines(parts)).toEqual(lines(whole));
  });

  it('stops on a loss that is not finite and names step and term', async () => {
    const config = configOf('model.roi.features=align');
    const data = await RegionMedData.load(config);
    const model = await createModel(config, data);
    const weight = model.parameters().get('roi.attention.out_proj.weight')!;
    tf.tidy(() => weight.assign(tf.fill(weight.shape, Number.NaN)));
    const training = train(config, data, { model });
    await expect(training).rejects.toThrow(NonFiniteError);
    await expect(training).rejects.toThrow(/step 3.*(loss|roi)/s); // the first two are global
    model.dispose();
  });

  it('counts the steps of a region stage that have no ROI, and learns nothing from them', async () => {
    const config = configOf();
    const data = await RegionMedData.load(config);
    for (const sample of data.split.train) sample.rois = [];
    const model = await createModel(config, data);
    const regions = { ...config, stages: [config.stages[1]!] };
    const first = [...model.parameters().values()].map((v) => v.dataSync().slice());
    const { steps, emptySteps } = await train(regions, data, { model });
    expect([steps, emptySteps]).toEqual([2, 2]);
    [...model.parameters().values()].forEach((v, i) => {
      expect([...v.dataSync()]).toEqual([...first[i]!]);
    });
    const { steps: all, emptySteps: empty } = await train(config, data, { model }); // the joint stage still has its global loss
    expect([all, empty]).toEqual([6, 2]);
    model.dispose();
  });

  it('writes a report that stands alone', async () => {
    const config = configOf('data.patients=30', 'evaluate.pictures=2');
    const data = await RegionMedData.load(config);
    const model = await createModel(config, data);
    const run = new RunFolder(join(folder, 'run'), { config });
    const read = async (keep?: EncodedSample[]) => {
      const measured = await measure(model, data, data.split.test, { batchSize: 4, ...(keep && { keep }) });
      return { measured, summary: summarize(measured, { resamples: 5, seed: 0 }) };
    };
    const before = await read();
    const onStageEnd = async () => ({ test: toJson((await read()).summary) });
    await train(config, data, { model, run, onStageEnd });
    const stages = readMetrics(run.metrics).filter(({ kind }) => kind === 'stage') as StageLine[];
    expect(stages.map(({ stage, step }) => [stage, step])).toEqual([['global', 2], ['region', 4], ['joint', 6]]); // biome-ignore format: one line
    const encoded: EncodedSample[] = [];
    const after = await read(encoded);
    const common = { folder: run, config, engine: { name: 'wasm' }, data };
    const path = await writeRegionMedReport({ ...common, before, after, encoded, stages });
    const html = readFileSync(path, 'utf8');
    const parts = ['Before and after training', 'After each stage', 'By modality', 'Zero-shot by prompts'];
    for (const part of [...parts, 'Where ROIs look', 'Retrieval, worst', 'Hard negatives after each stage', 'ROI 1'])
      expect(html).toContain(part);
    const pictures = readdirSync(run.file('overlays'));
    expect(pictures.length).toBeGreaterThanOrEqual(2);
    expect(pictures.every((name) => /^\w+-p\d+-\d+-roi\d\.png$/.test(name))).toBe(true);
    expect(html).not.toMatch(/(src|href)="https?:/);
    model.dispose();
  });

  it('reaches the learning rates of a stage: a climb, and half a cosine down to its minimum', () => {
    const rate = scheduleOf({ learningRate: 0.4, schedule: { kind: 'cosine', warmupSteps: 2, minimum: 0.1 } }, 6);
    const expected = [0.2, 0.4, 0.4, 0.1 + 0.3 * 0.5 * (1 + Math.SQRT1_2), 0.25, 0.1 + 0.3 * 0.5 * (1 - Math.SQRT1_2)];
    for (const [step, value] of expected.entries()) expect(rate(step)).toBeCloseTo(value, 10);
  });

  it('makes the same model from the same seed', () => {
    const config = configOf();
    const [a, b] = [initialModel(config, ['[PAD]', 'x']), initialModel(config, ['[PAD]', 'x'])];
    const other = initialModel(configOf('seed=1'), ['[PAD]', 'x']);
    const weight = (model: typeof a) => [...model.parameters().get('heads.image.weight')!.dataSync()];
    expect(weight(a)).toEqual(weight(b));
    expect(weight(a)).not.toEqual(weight(other));
    expect(curriculumOf(config).frozen(a.parameters().keys()).get('joint')).toEqual([]);
    for (const model of [a, b, other]) model.dispose();
  });
});
