import { useBackend } from '@medalign/backend';
import { cleanText } from '@medalign/datasets';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Batch, onEngine, RegionMedData, tokenize } from './data';
import { bestPlace, type Measurements, measure } from './evaluate';
import type { RegionMedModel } from './model';
import { promptsOf } from './prompts';
import { perImage, summarize, toJson } from './summary';
import { closingTable } from './table';
import { configOf } from './testing/tiny';
import { areaTwin, average, cosine, labelsOf, pointsIntoBox, type Row, recallTwin } from './testing/twins';
import { createModel, train } from './train';

/** Everything that a batch of the whole test set is encoded to, as plain arrays. */
async function readAll(model: RegionMedModel, data: RegionMedData) {
  const { value } = await data.evaluationBatches(data.split.test, 1000).next();
  const batch = value as Batch;
  const inputs = onEngine(batch.share, data.tokenizer, data.config, { regions: true });
  const encoded = model.encodeRegions(inputs);
  const captions = model.encodeTexts(inputs.captions!);
  const texts = model.encodeTexts(inputs.texts);
  const attention = model.attention(encoded, inputs);
  const arrays = {
    samples: batch.samples,
    transforms: batch.transforms,
    roiNumbers: batch.roiNumbers,
    grid: encoded.grid,
    global: encoded.global.arraySync() as Row[],
    rois: encoded.rois.arraySync() as Row[][],
    fused: encoded.fused.arraySync() as Row[][],
    captions: captions.arraySync() as Row[],
    texts: texts.arraySync() as Row[],
    attention: attention.arraySync() as number[][][][],
  };
  inputs.dispose();
  tf.dispose([encoded.tokens, encoded.global, encoded.rois, encoded.fused, captions, texts, attention]);
  return arrays;
}

const promptRows = (model: RegionMedModel, data: RegionMedData, name: string): Row[] => {
  const { templates, synonyms } = promptsOf(name);
  const texts = templates.map((template) => cleanText(template.replace('{}', synonyms[0]!)));
  const tokens = tokenize(texts, data.tokenizer, data.config);
  const encoded = model.encodeTexts(tokens);
  const rows = encoded.arraySync() as Row[];
  tf.dispose([encoded, tokens.ids, tokens.attentionMask]);
  return rows;
};

describe('what is printed', () => {
  beforeAll(() => useBackend('wasm') as Promise<unknown>);

  it.each([
    ['crops', 'cosine'],
    ['align', 'softmax'],
  ])('equals plain loops over the encoded vectors (%s, %s)', async (features, zeroShot) => {
    const config = configOf(
      'data.patients=70',
      'data.fractions={train: 0.35, validation: 0.05, test: 0.6}',
      `model.roi.features=${features}`,
      `evaluate.zeroShot=${zeroShot}`,
      'train.maxStepsPerStage=4',
    );
    const data = await RegionMedData.load(config);
    const model = await createModel(config, data);
    await train(config, data, { model });
    const before = tf.memory().numTensors;
    const measured = await measure(model, data, data.split.test, { batchSize: 7 });
    expect(tf.memory().numTensors).toBe(before);
    const summary = summarize(measured, { resamples: 20, seed: 0 });
    const json = toJson(summary);
    const all = await readAll(model, data);

    const names = all.samples.map(({ report }) => cleanText(report));
    for (const [k, value] of [[1, json.recallAt1], [5, json.recallAt5], [10, json.recallAt10]] as const) // biome-ignore format: one line
      expect(value).toBeCloseTo(recallTwin(all.global, all.texts, names, k), 10);
    expect(json.gallery).toBe(all.samples.length);
    const withRois = all.global.map((image, i) => {
      const rois = all.roiNumbers[i]!.map((_, place) => all.fused[i]![place]!);
      if (rois.length === 0) return image;
      const middle = Array.from(image, (_, c) => average(rois.map((roi) => roi[c]!)));
      const length = Math.sqrt(middle.reduce((sum, x) => sum + x * x, 0));
      return Array.from(image, (x, c) => x + middle[c]! / length);
    });
    const { recallAt1, recallAt5, recallAt10 } = json.recallWithRois;
    for (const [k, value] of [[1, recallAt1], [5, recallAt5], [10, recallAt10]] as const) // biome-ignore format: one line
      expect(value).toBeCloseTo(recallTwin(withRois, all.texts, names, k), 10);

    const [b, k] = [all.samples.length, config.data.negatives];
    const won = (vector: (image: number, place: number) => Row) => {
      const images = all.samples.flatMap((sample, i) => {
        const negatives = sample.negativeCaptions.map((_, n) => all.captions[b + i * k + n]!);
        if (negatives.length === 0 || all.roiNumbers[i]!.length === 0) return [];
        const rois = all.roiNumbers[i]!.map((_, place) => {
          const own = vector(i, place);
          const best = Math.max(...negatives.map((negative) => cosine(own, negative)));
          return Number(cosine(own, all.captions[i]!) > best);
        });
        return [average(rois)];
      });
      return average(images);
    };
    expect(json.hardNegativeAccuracy).toBeCloseTo(
      won((i, place) => all.fused[i]![place]!),
      10,
    );
    expect(json.hardNegativeAccuracyOf.roi).toBeCloseTo(
      won((i, place) => all.rois[i]![place]!),
      10,
    );
    expect(json.hardNegativeAccuracyOf.image).toBeCloseTo(
      won((i) => all.global[i]!),
      10,
    );
    expect(json.chance.hardNegativeAccuracy).toBeCloseTo(1 / 6, 10);

    const cells = all.grid[0] * all.grid[1];
    const pointed = all.samples.flatMap((sample, i) => {
      const rois = all.roiNumbers[i]!.map((number, place) => {
        const heads = all.attention[i]!.map((head) => head[place]!);
        const grid = Array.from({ length: cells }, (_, j) => Math.fround(average(heads.map((head) => head[j + 1]!))));
        return pointsIntoBox(grid, all.grid, all.transforms[i]!, sample.rois[number]!);
      });
      return rois.length ? [average(rois)] : [];
    });
    expect(json.pointing).toBeCloseTo(average(pointed), 10);

    const modalities = [...new Set(all.samples.map(({ modality }) => modality))];
    const areas = modalities.map((modality) => {
      const places = all.samples.flatMap((sample, i) => (sample.modality === modality ? [i] : []));
      const samples = places.map((i) => all.samples[i]!);
      const classes = Object.keys(samples[0]!.labels!);
      const cosines = classes.map((name) => {
        const prompts = promptRows(model, data, name);
        return places.map((i) => Math.max(...prompts.map((prompt) => cosine(all.global[i]!, prompt))));
      });
      const values = classes.flatMap((name, c) => {
        const shares = places.map((_, i) => {
          const powers = cosines.map((row) => Math.exp(row[i]! / config.loss.temperature));
          return powers[c]! / powers.reduce((sum, power) => sum + power, 0);
        });
        return areaTwin(zeroShot === 'softmax' ? shares : cosines[c]!, labelsOf(samples, name)) ?? [];
      });
      return [modality, values.length ? average(values) : null] as const;
    });
    for (const [modality, area] of areas) {
      if (area === null) expect(json.zeroShotAuc[modality]).toBeNull();
      else expect(json.zeroShotAuc[modality]).toBeCloseTo(area, 6);
    }
    expect(json.zeroShotAucMean).toBeCloseTo(average(areas.flatMap(([, area]) => area ?? [])), 6);

    const table = closingTable(summary, summary);
    expect(table).toContain(json.recallAt1!.toFixed(3));
    expect(table).toContain(json.hardNegativeAccuracy!.toFixed(3));
    model.dispose();
  });

  it('asks for a caption that is strictly above all negatives', async () => {
    const config = configOf('data.patients=24');
    const data = await RegionMedData.load(config);
    const model = await createModel(config, data);
    // a negative that says what the caption says: a tie is no success
    for (const sample of data.split.test)
      sample.negativeCaptions = sample.negativeCaptions.map(() => sample.regionCaption);
    const { rois } = await measure(model, data, data.split.test, { batchSize: 4 });
    const told = rois.filter(({ negatives }) => negatives > 0);
    expect(told.length).toBeGreaterThan(0);
    for (const { hardNegative } of told) expect(hardNegative).toEqual({ fused: 0, roi: 0, image: 0 });
    for (const { hardNegative } of rois.filter(({ negatives }) => negatives === 0))
      expect(hardNegative).toEqual({ fused: null, roi: null, image: null });
    model.dispose();
  });

  it('takes the softmax of classes that exclude each other, and refuses an image with two', async () => {
    const config = configOf('data.patients=24', 'evaluate.zeroShot=softmax', 'loss.learnTemperature=true');
    const data = await RegionMedData.load(config);
    const model = await createModel(config, data);
    expect(model.temperature()).toBeCloseTo(config.loss.temperature, 6);
    const { zeroShot } = await measure(model, data, data.split.test, { batchSize: 4 });
    for (const { scores } of zeroShot) for (const row of scores) expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 10);
    const [first] = data.split.test;
    first!.labels = Object.fromEntries(Object.keys(first!.labels!).map((name) => [name, 1]));
    await expect(measure(model, data, data.split.test, { batchSize: 4 })).rejects.toThrow(
      `image ${first!.id} has several. Fix: --set evaluate.zeroShot=cosine`,
    );
    model.dispose();
  });

  it("does not point with the paper's literal keys: one weight is everywhere", async () => {
    const config = configOf('model.roi.keys=global', 'data.patients=24');
    const data = await RegionMedData.load(config);
    const model = await createModel(config, data);
    const measured = await measure(model, data, data.split.test, { batchSize: 4 });
    expect(measured.rois.length).toBeGreaterThan(0);
    expect(toJson(summarize(measured, { resamples: 5, seed: 0 })).pointing).toBeNull();
    model.dispose();
  });
});

it('finds the best true match by score, and by index where scores are equal', () => {
  const ids = [7, 8, 9, 8];
  expect(bestPlace([0.9, 0.1, 0.5, 0.7], ids, 8)).toBe(1);
  expect(bestPlace([0.5, 0.5, 0.5, 0.5], ids, 8)).toBe(1);
  expect(bestPlace([0.5, 0.5, 0.5, 0.5], ids, 9)).toBe(2);
  expect(bestPlace([-1, -2, -3, -2], ids, 9)).toBe(3);
});

it('means over ROIs first, then over images', () => {
  const roi = (imageId: string, fused: 0 | 1 | null) =>
    ({ imageId, hardNegative: { fused } }) as unknown as Measurements['rois'][number];
  const rois = [roi('a', 1), roi('a', 0), roi('a', 0), roi('b', 1), roi('c', null)];
  expect(perImage(rois, ({ hardNegative }) => hardNegative.fused)).toBeCloseTo((1 / 3 + 1) / 2, 10);
  expect(perImage([], () => 1)).toBeNull();
});
