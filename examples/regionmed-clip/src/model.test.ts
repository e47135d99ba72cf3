import { useBackend } from '@medalign/backend';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LossName } from './config';
import { onEngine, RegionMedData, type Share, shareOf } from './data';
import { activeTerms, hasTerm } from './model';
import { configOf } from './testing/tiny';
import { globalLossTwin, negativeLossTwin, type Row, roiLossTwin } from './testing/twins';
import { createModel } from './train';

const every: LossName[] = ['global', 'roi', 'negative'];

async function batchOf(...sets: string[]) {
  const config = configOf('model.text.dropout=0', ...sets);
  const data = await RegionMedData.load(config);
  const model = await createModel(config, data);
  const { value } = await data.trainingBatches(0, { batchSize: 8 }).next();
  const inputs = (share: Share) => onEngine(share, data.tokenizer, config, { regions: true });
  return { config, data, model, share: (value as { share: Share }).share, inputs };
}

describe('the losses of a batch', () => {
  beforeAll(() => useBackend('wasm') as Promise<unknown>);

  it.each([
    ['crops, ResNet', []],
    ['crops, ViT, of another size than the image', ['model.image.kind=vit', 'model.roi.cropSize=16']],
    ['RoIAlign, hybrid', ['model.image.kind=hybrid', 'model.roi.features=align', 'model.image.coordinates=true']],
  ])('equal plain loops over the vectors, weighted as Kendall says (%s)', async (_, sets) => {
    const { config, model, share, inputs } = await batchOf(...sets);
    const own = inputs(share);
    const s = { global: 0.3, roi: -0.2, negative: 0.7 };
    for (const [name, value] of Object.entries(s))
      tf.tidy(() => model.uncertainties.get(name)!.assign(tf.scalar(value)));
    const read: {
      numbers: Record<string, number>;
      image: Row[];
      text: Row[];
      captions: Row[];
      fused: Row[][];
      negatives: Row[][];
    } = { numbers: {}, image: [], text: [], captions: [], fused: [], negatives: [] };
    tf.tidy(() => {
      const vectors = model.vectors(own, every);
      const { total, terms } = model.combine(vectors, own.labels, every);
      for (const [name, value] of Object.entries({ total, ...terms })) read.numbers[name] = value.dataSync()[0]!;
      const { fused, captions, negatives } = vectors.regions!;
      for (const [name, value] of Object.entries({ image: vectors.image, text: vectors.text, captions }))
        read[name as 'image'] = value.arraySync() as Row[];
      for (const [name, value] of Object.entries({ fused, negatives }))
        read[name as 'fused'] = value.arraySync() as Row[][];
    });
    const { numbers, ...vectors } = read;
    const r = config.model.roi.max;
    const rois = vectors.fused.map((list, i) => list.filter((_, n) => share.roiMask[i * r + n] === 1));
    const negatives = vectors.negatives.map((list, i) => list.slice(0, share.negatives[i]!.length));
    const tau = config.loss.temperature;
    const { textIds, captionIds } = share.labels;
    const wanted = {
      global: globalLossTwin(vectors.image, vectors.text, textIds, tau),
      roi: roiLossTwin(rois, vectors.captions, captionIds, tau),
      negative: negativeLossTwin(rois, negatives, tau),
    };
    let total = 0;
    for (const name of every) {
      expect(numbers[name], name).toBeCloseTo(wanted[name], 4);
      total += 0.5 * Math.exp(-s[name]) * wanted[name] + 0.5 * s[name];
    }
    expect(numbers.total).toBeCloseTo(total, 4);
    own.dispose();
    model.dispose();
  });

  it('leave out what a stage does not name, and what a batch has nothing for, with its weight', async () => {
    const { model, share, inputs } = await batchOf();
    const without: Share = {
      ...share,
      roiMask: share.roiMask.map(() => 0),
      boxes: share.boxes.map(() => 0),
      labels: { ...share.labels, roiMask: share.roiMask.map(() => 0) },
    };
    const terms = (of: Share, losses: LossName[]) => {
      const own = inputs(of);
      const names = tf.tidy(() => Object.keys(model.loss(own, losses).terms).sort().join());
      own.dispose();
      return names;
    };
    expect(terms(share, every)).toBe('global,negative,roi,weight.global,weight.negative,weight.roi');
    expect(terms(share, ['global'])).toBe('global,weight.global');
    expect(terms(share, ['roi', 'negative'])).toBe('negative,roi,weight.negative,weight.roi');
    expect(terms(without, every)).toBe('global,weight.global');
    expect(hasTerm(['roi', 'negative'], without.labels)).toBe(false);
    expect(hasTerm(every, without.labels)).toBe(true);
    const none = { ...share.labels, negativeMask: share.labels.negativeMask.map(() => 0) };
    expect(activeTerms(none)).toEqual({ global: true, roi: true, negative: false });
    // an ROI in one image and negatives in another are no pair
    const [r, k] = [share.roiMask.length / 8, share.labels.negativeMask.length / 8];
    const apart = {
      ...share.labels,
      roiMask: share.roiMask.map((_, i) => (i === 0 ? 1 : 0)),
      negativeMask: share.labels.negativeMask.map((_, i) => (i >= k ? 1 : 0)),
    };
    expect(r).toBeGreaterThan(1);
    expect(activeTerms(apart)).toEqual({ global: true, roi: true, negative: false });
    model.dispose();
  });

  it('are the same for a batch that is encoded in shares and gathered', async () => {
    const { model, share, inputs } = await batchOf('model.image.kind=vit', 'model.roi.features=align');
    const whole = inputs(share);
    const value = tf.tidy(() => model.loss(whole, every).total.dataSync()[0]!);
    const parts = [0, 1].map((rank) => inputs(shareOf(share, rank, 2)));
    const rows: tf.Tensor3D[] = [];
    tf.tidy(() => {
      for (const part of parts) model.vectors(part, every, { gather: (x) => { rows.push(tf.keep(tf.clone(x))); return x; } }); // biome-ignore format: keeps what is gathered
    });
    const gathered = tf.tidy(
      () => model.loss(parts[0]!, every, { gather: () => tf.concat(rows, 0) as tf.Tensor3D }).total.dataSync()[0]!,
    );
    expect(gathered).toBeCloseTo(value, 5);
    tf.dispose(rows);
    for (const part of [whole, ...parts]) part.dispose();
    model.dispose();
  });

  it('has the same ROI crops for an image alone as in a batch, and zeros where there is no ROI', async () => {
    const { config, data, model, share, inputs } = await batchOf('model.image.coordinates=true');
    const own = inputs(share);
    const { fused } = model.encodeRegions(own);
    const r = config.model.roi.max;
    const rows = fused.arraySync();
    rows.forEach((list, i) => {
      list.forEach((row, n) => {
        const norm = Math.hypot(...row);
        expect(norm).toBeCloseTo(share.roiMask[i * r + n]!, 5);
      });
    });
    const alone = onEngine(shareOf(share, 3, 8), data.tokenizer, config, { regions: true });
    const single = model.encodeRegions(alone).fused.arraySync()[0]!;
    single.forEach((row, n) => {
      row.forEach((v, c) => {
        expect(v).toBeCloseTo(rows[3]![n]![c]!, 4);
      });
    });
    own.dispose();
    alone.dispose();
    model.dispose();
  });
});
