import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useBackend } from '@medalign/backend';
import { refineAlignment } from '@medalign/progressive';
import { latestCheckpoint, NonFiniteError, RunFolder, readMetrics } from '@medalign/trainer';
import { writeSafetensors } from '@medalign/weights';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { onEngine, PlanData, shareOf } from './data';
import { measure } from './evaluate';
import { refinementOptions } from './model';
import { recipes, resolveAlignment, resolveModel } from './recipes';
import { writePlanReport } from './report';
import { settings } from './settings';
import { summarize, toJson } from './summary';
import { configOf } from './testing/tiny';
import { createModel, train } from './train';

describe('the PLAN example', () => {
  let folder: string;
  beforeAll(() => useBackend('wasm') as Promise<unknown>);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'medalign-plan-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('refuses an unknown key and names the nearest one', () => {
    expect(() => configOf('optimizer.learningrate=1')).toThrow(/learningRate/);
    expect(() => configOf('alignment.negatives=words')).toThrow(/negatives/);
    expect(() => configOf('train.replicas=3')).toThrow(/train\.replicas.*divides train\.batchSize/s);
  });

  it.each(settings.map((setting) => [setting.name, setting] as const))(
    'setting %s of the ablation has a finite loss',
    async (_, setting) => {
      const config = { ...configOf(), recipe: setting.recipe, alignment: setting.alignment };
      const data = await PlanData.load(config);
      const model = await createModel(config, data);
      const { value: batch } = await data.trainingBatches(0).next();
      const { images, texts, dispose } = onEngine(shareOf(batch!, 0, 1), data.tokenizer, config);
      const loss = tf.tidy(() => {
        const { total } = model.loss(images, texts, resolveAlignment(config), { training: true, seed: 1 });
        return total.dataSync()[0]!;
      });
      expect(loss).toBeGreaterThan(0);
      expect(loss).toBeLessThan(100);
      dispose();
      model.dispose();
    },
  );

  it('fills a recipe with what the configuration states', () => {
    expect(resolveAlignment(configOf('recipe=paper'))).toEqual(recipes.paper);
    expect(resolveAlignment(configOf('recipe=paper', 'alignment.negatives=batch')).negatives).toBe('batch');
    expect(resolveAlignment(configOf('recipe=paper', 'alignment.local=initial')).iterations).toBe(1);
    expect(resolveModel(configOf('recipe=paper'))).toMatchObject({ localNorm: 'none', globalNorm: 'none' });
    expect(resolveModel(configOf('recipe=grounded', 'model.globalNorm=none'))).toMatchObject({
      localNorm: 'batch',
      globalNorm: 'none',
    });
  });

  it.each(['grounded', 'paper', 'global'])(
    'trains with recipe %s, reads every map, and leaves no tensor behind',
    async (recipe) => {
      const config = configOf(`recipe=${recipe}`);
      const alignment = resolveAlignment(config);
      const data = await PlanData.load(config);
      const tensors = tf.memory().numTensors;
      const model = await createModel(config, data);
      const first = [...model.parameters().values()].map((v) => v.dataSync().slice());
      const { steps } = await train(config, alignment, data, { model });
      expect(steps).toBe(4);
      const moved = [...model.parameters().values()].filter(
        (v, i) => !first[i]!.every((x, k) => x === v.dataSync()[k]),
      );
      // Without a local loss g, Wproj, the pixel and word projections, α and β have no part; BERT's pooler never has.
      expect(moved.length).toBeGreaterThan(recipe === 'global' ? 20 : 25);
      const measured = await measure(model, data, data.split.test, { alignment, batchSize: 4, seed: 0 });
      const phrases = data.split.test.flatMap((sample) => sample.findings!).length;
      expect(measured.records).toHaveLength(3 * phrases);
      const json = toJson(measured, summarize(measured, 'words', { resamples: 20, seed: 0 }));
      expect(json.cnrMacro).toBeGreaterThan(0);
      expect(json.specificity === null || (json.specificity >= 0 && json.specificity <= 1)).toBe(true);
      model.dispose();
      expect(tf.memory().numTensors).toBe(tensors);
    },
  );

  it('says which batch size fits where there are fewer images than a batch', async () => {
    const data = await PlanData.load(configOf('train.batchSize=64', 'train.replicas=2'));
    const images = data.split.train.length;
    expect(images).toBeLessThan(64);
    const fitting = 2 * Math.max(2, Math.floor(images / 8));
    expect(() => data.stepsPerEpoch()).toThrow(
      `train.batchSize: expected at most the ${images} images to train on, got 64. Fix: --set train.batchSize=${fitting}`,
    );
    expect(configOf(`train.batchSize=${fitting}`, 'train.replicas=2').train.batchSize).toBe(fitting);
  });

  it('starts from published weights, and refuses a file of something else', async () => {
    const data = await PlanData.load(configOf());
    const source = await createModel(configOf('seed=5'), data);
    const file = join(folder, 'resnet.safetensors');
    await writeSafetensors(file, source.resnet.stateDict());
    const model = await createModel(configOf(`model.image.weights=${file}`), data);
    const weight = (m: typeof model) => [...m.resnet.parameters().get('conv1.weight')!.dataSync()];
    expect(weight(model)).toEqual(weight(source));
    await expect(createModel(configOf(`model.text.weights=${file}`), data)).rejects.toThrow(/model\.text\.weights/);
    source.dispose();
    model.dispose();
  });

  it("computes for local: 'none' the loss that refineAlignment does", async () => {
    const config = configOf('recipe=global');
    const alignment = resolveAlignment(config);
    const data = await PlanData.load(config);
    const model = await createModel(config, data);
    const { value: batch } = await data.evaluationBatches(data.split.train, 4).next();
    const [images, texts] = [batch!.images, batch!.texts];
    const ours = model.loss(images, texts, alignment).total.dataSync()[0]!;
    const image = model.encodeImages(images);
    const text = model.encodeTexts(texts);
    const { loss } = refineAlignment(
      {
        words: text.words,
        pixels: image.pixels,
        wordMask: text.wordMask,
        globalImage: image.global,
        globalText: text.global,
      },
      refinementOptions(alignment),
    );
    expect(loss.dataSync()[0]).toBeCloseTo(ours, 6);
    batch!.dispose();
    model.dispose();
  });

  it.each([1, 2])('resumes to the same bits with %d replicas', async (replicas) => {
    const run = async (path: string, sets: string[], resume = false) => {
      const config = configOf('recipe=paper', `train.replicas=${replicas}`, ...sets);
      const data = await PlanData.load(config);
      const model = await createModel(config, data);
      const runFolder = new RunFolder(path, { config, resume });
      await train(config, resolveAlignment(config), data, { model, run: runFolder, resume });
      model.dispose();
      return readFileSync(latestCheckpoint(path)!);
    };
    const constant = 'optimizer.schedule=constant'; // a cosine over fewer steps would be another run
    const whole = await run(join(folder, 'whole'), [constant]);
    await run(join(folder, 'parts'), [constant, 'train.maxSteps=2']);
    const parts = await run(join(folder, 'parts'), [constant], true);
    const tensorsOf = (file: Buffer) => file.subarray(8 + Number(file.readBigUInt64LE(0)));
    expect(tensorsOf(parts).equals(tensorsOf(whole))).toBe(true);
    const losses = (path: string) => readMetrics(join(path, 'metrics.jsonl')).map(({ seconds: _, ...line }) => line);
    expect(losses(join(folder, 'parts'))).toEqual(losses(join(folder, 'whole')));
  });

  it('stops soon after a signal, with a checkpoint of the step it has come to', async () => {
    const config = configOf('train.epochs=100', 'train.maxSteps=200', 'train.checkpointEverySteps=1000');
    const data = await PlanData.load(config);
    const model = await createModel(config, data);
    const runFolder = new RunFolder(join(folder, 'run'), { config });
    const done = () => readMetrics(runFolder.metrics).filter(({ kind }) => kind === 'train').length;
    const stop = new AbortController();
    // Beyond the first epoch every image comes from memory, and nothing waits for the outside.
    const watch = setInterval(() => done() > data.stepsPerEpoch() && stop.abort(new Error('stopped by hand')), 20);
    const training = train(config, resolveAlignment(config), data, { model, run: runFolder, signal: stop.signal });
    await expect(training).rejects.toThrow('stopped by hand');
    clearInterval(watch);
    const steps = done();
    expect(latestCheckpoint(runFolder.checkpoints)).toContain(`${steps}.safetensors`);
    model.dispose();
  });

  it('stops on a loss that is not finite and names step and term', async () => {
    const config = configOf('recipe=grounded');
    const data = await PlanData.load(config);
    const model = await createModel(config, data);
    const weight = model.parameters().get('heads.word.weight')!;
    tf.tidy(() => weight.assign(tf.fill(weight.shape, Number.NaN)));
    const training = train(config, resolveAlignment(config), data, { model });
    await expect(training).rejects.toThrow(NonFiniteError);
    await expect(training).rejects.toThrow(/step 1.*(loss|local1)/s);
    model.dispose();
  });

  it('names and skips a broken image in the middle of an epoch, and stops above the limit', async () => {
    const sharp = (await import('sharp')).default;
    const rows = ['image,text,patient'];
    for (let i = 0; i < 16; i++) {
      const file = `image-${i}.jpg`;
      const image = await sharp({
        create: { width: 40, height: 40, channels: 3, background: { r: 10 * i, g: 80, b: 80 } },
      })
        .jpeg()
        .toBuffer();
      writeFileSync(join(folder, file), i % 8 === 3 ? image.subarray(0, 100) : image);
      rows.push(`${file},finding number ${i} is seen,p${i}`);
    }
    writeFileSync(join(folder, 'pairs.csv'), rows.join('\n'));
    const sets = [
      'data.kind=pairs',
      `data.path=${join(folder, 'pairs.csv')}`,
      'data.fractions={train: 0.8, validation: 0.1, test: 0.1}',
      'train.maxSteps=2',
    ];
    const config = configOf(...sets);
    const data = await PlanData.load(config);
    const broken = data.split.train.filter((sample) =>
      /-(3|11)\.jpg/.test((sample.image as { path: string }).path),
    ).length;
    const model = await createModel(config, data);
    const { skippedImages } = await train(config, resolveAlignment(config), data, { model });
    expect(skippedImages).toBeLessThanOrEqual(broken);
    const strict = configOf(...sets, 'data.badImageLimit=0', 'train.maxSteps=3');
    const strictData = await PlanData.load(strict);
    if (broken)
      await expect(train(strict, resolveAlignment(strict), strictData, { model })).rejects.toThrow(/image-(3|11)/);
    model.dispose();
  });

  it('writes a report that stands alone', async () => {
    const config = configOf('recipe=grounded', 'evaluate.pictures=1', 'data.patients=20');
    const alignment = resolveAlignment(config);
    const data = await PlanData.load(config);
    const model = await createModel(config, data);
    const run = new RunFolder(join(folder, 'run'), { config });
    await train(config, alignment, data, { model, run });
    const measured = await measure(model, data, data.split.test, { alignment, batchSize: 4, seed: 0 });
    const reading = { measured, grounding: summarize(measured, 'words', { resamples: 20, seed: 0 }) };
    const path = await writePlanReport({
      folder: run,
      config,
      alignment,
      engine: { name: 'wasm' },
      data,
      model,
      before: reading,
      after: reading,
      kind: 'words',
    });
    const html = readFileSync(path, 'utf8');
    expect(html).toContain('Keyword refinement');
    expect(html).not.toMatch(/(src|href)="https?:/);
    model.dispose();
  });
});
