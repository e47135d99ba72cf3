import { useBackend } from '@medalign/backend';
import { beforeAll, describe, expect, it } from 'vitest';
import { RegionMedData } from './data';
import type { EncodedSample } from './encoded';
import { type Measurements, measure } from './evaluate';
import { attentionPictures, bestTexts, hardNegativeExamples, retrievalExamples } from './report-pictures';
import { byModality, gains, summarize } from './summary';
import { configOf } from './testing/tiny';
import { average, cosine, pointsIntoBox } from './testing/twins';
import { createModel } from './train';

describe('the report', () => {
  const encoded: EncodedSample[] = [];
  const readings: Measurements[] = [];
  beforeAll(async () => {
    await useBackend('wasm');
    const config = configOf('data.patients=60', 'data.fractions={train: 0.35, validation: 0.05, test: 0.6}', 'model.roi.features=align'); // biome-ignore format: one line
    const data = await RegionMedData.load(config);
    for (const seed of [0, 1]) {
      const model = await createModel({ ...config, seed }, data);
      const keep = seed === 0 ? { keep: encoded } : {};
      readings.push(await measure(model, data, data.split.test, { batchSize: 8, ...keep }));
      model.dispose();
    }
  });

  it('shows what the ROIs of an image of each modality look at, in one scale, and whether they point at themselves', async () => {
    const { overlays, files } = await attentionPictures(encoded, 12);
    const modalities = new Set(encoded.filter(({ rois }) => rois.length).map(({ sample }) => sample.modality));
    expect(modalities.size).toBeGreaterThan(8);
    const shown = overlays.map(({ title }) => title.match(/^(.*): image (.*), ROI (\d+)$/)!.slice(1));
    expect(new Set(shown.map(([modality]) => modality))).toEqual(modalities);
    expect(new Set(shown.map(([, id]) => id)).size).toBe(modalities.size);
    expect(new Set(overlays.map(({ range }) => range!.join())).size).toBe(1);
    expect(new Set(files).size).toBe(overlays.length);
    for (const [i, overlay] of overlays.entries()) {
      const [, id, number] = shown[i]!;
      const one = encoded.find(({ sample }) => sample.id === id)!;
      const roi = one.rois.find((own) => own.number === Number(number) - 1)!;
      const box = one.sample.rois[roi.number]!;
      const hit = pointsIntoBox(roi.looks!, one.grid, one.view, box);
      expect(overlay.caption).toContain(hit ? '✓ Points into its box' : '✗ Points elsewhere');
      // even attention is 1, whatever the grid: over the image, only the global token's share is missing
      const known = Array.from(overlay.map!.data).filter((value) => !Number.isNaN(value));
      expect(average(known)).toBeGreaterThan(0.8);
      expect(average(known)).toBeLessThan(1.2);
      const [own, mark] = overlay.boxes!;
      expect([own!.x, own!.y, own!.width, own!.height]).toEqual([box.x, box.y, box.width, box.height]);
      const [x, y] = [mark!.x + mark!.width / 2, mark!.y + mark!.height / 2];
      const there = overlay.map!.data[Math.floor(y) * overlay.image.width + Math.floor(x)]!;
      expect(there).toBe(known.reduce((most, value) => Math.max(most, value), 0));
    }
    expect((await attentionPictures(encoded, 3)).overlays.length).toBeLessThan(overlays.length);
    const literal = encoded.map((one) => ({ ...one, rois: one.rois.map((roi) => ({ ...roi, looks: undefined })) }));
    const [first] = (await attentionPictures(literal, 1)).overlays;
    expect(first!.map).toBeUndefined();
  });

  it('lists texts once, with their places, and the own one wherever it is', () => {
    const texts = [7, 7, 8, 9, 6].map((id, i) => ({ texts: { id }, sample: { report: `text ${id}`, id: `i${i}` } }));
    const list = bestTexts(texts as unknown as EncodedSample[], [0.5, 0.9, 0.8, 0.1, 0.2], 9, 2);
    expect(list).toEqual([
      { rank: 1, text: 'text 7', score: 0.9, right: false },
      { rank: 2, text: 'text 8', score: 0.8, right: false },
      { rank: 5, text: 'text 9', score: 0.1, right: true },
    ]);
  });

  it('shows right and wrong searches, worst first', async () => {
    const groups = await retrievalExamples(encoded, 4);
    expect(groups.map(({ title }) => title)).toEqual(expect.arrayContaining(['Retrieval, worst']));
    for (const { title, overlays } of groups) {
      const places = overlays.map((overlay) => {
        const id = overlay.title.split('image ')[1];
        const one = encoded.find(({ sample }) => sample.id === id)!;
        const score = (other: EncodedSample) => cosine(one.global, other.texts.own);
        const own = Math.max(...encoded.filter(({ texts }) => texts.id === one.texts.id).map(score));
        const before = encoded.filter((other) => score(other) > own + 1e-7).length;
        const found = overlay.ranking!.find(({ right }) => right)!;
        expect(found.rank).toBe(before + 1);
        expect(found.score).toBeCloseTo(own, 5);
        expect(overlay.ranking!.length).toBe(overlay.ranking!.indexOf(found) < 3 ? 3 : 4);
        return before;
      });
      if (title.endsWith('right')) expect(places.every((place) => place === 0)).toBe(true);
      else expect(places).toEqual([...places].sort((a, b) => b - a));
    }
  });

  it('shows ROIs that are above all negatives, and those furthest below', async () => {
    for (const { title, overlays } of await hardNegativeExamples(encoded, 3)) {
      for (const { ranking, boxes } of overlays) {
        expect(ranking!.length).toBe(6);
        expect(boxes!.length).toBe(1);
        expect(ranking!.map(({ score }) => score)).toEqual(ranking!.map(({ score }) => score).sort((a, b) => b - a));
        expect(ranking!.findIndex(({ right }) => right) === 0).toBe(title === 'Hard negatives, right');
      }
    }
  });

  it('differs from before as the numbers do, and reads each modality alone', () => {
    const options = { resamples: 20, seed: 0 };
    const [after, before] = readings as [Measurements, Measurements];
    const [a, b] = [summarize(after, options), summarize(before, options)];
    const gain = gains(after, before, options);
    for (const k of [1, 5, 10] as const)
      expect(gain.recall[k].value).toBeCloseTo(a.recall[k].value! - b.recall[k].value!, 10);
    for (const name of ['fused', 'roi', 'image'] as const)
      expect(gain.hardNegative[name].value).toBeCloseTo(a.hardNegative[name].value! - b.hardNegative[name].value!, 10);
    expect(gain.pointing.value).toBeCloseTo(a.pointing.value! - b.pointing.value!, 10);
    expect(gain.zeroShotAuc.value).toBeCloseTo(a.zeroShotAuc.value! - b.zeroShotAuc.value!, 10);
    const each = byModality(after, options);
    const chest = after.images.filter(({ modality }) => modality === 'chest');
    const hits = chest.flatMap(({ imageToText, textToImage }) => [imageToText, textToImage].map((place) => Number(place < 10))); // biome-ignore format: one line
    expect(each.chest!.recall[10].value).toBeCloseTo(average(hits), 10);
    const images = Object.values(each).reduce((sum, { recall }) => sum + recall[1].n, 0);
    expect(images).toBe(after.images.length);
  });
});
