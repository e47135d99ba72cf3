import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chooseSettings } from '@medalign/trainer';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ablate } from './ablate';
import { RegionMedData } from './data';
import { measure } from './evaluate';
import { baseline, settings } from './settings';
import { differences } from './summary';
import { configOf } from './testing/tiny';
import { average } from './testing/twins';
import { createModel } from './train';

describe('the ablation', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'medalign-regionmed-ablation-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function run() {
    const config = configOf('data.patients=24', 'model.roi.features=align', 'train.maxStepsPerStage=1');
    let printed = '';
    const spies = [
      vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
        printed += String(text);
        return true;
      }),
      vi.spyOn(process.stderr, 'write').mockImplementation(() => true),
    ];
    const common = { backend: 'wasm', out: join(folder, 'run'), overwrite: false, json: true };
    const chosen = chooseSettings(settings, `${baseline};stages`);
    try {
      const signal = new AbortController().signal;
      await ablate({ config, ...common, seeds: [0, 1], settings: chosen, signal });
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
    return JSON.parse(printed);
  }

  it('reads every stage and the baseline with every seed, and goes on where it stopped', async () => {
    const { rows, seeds } = await run();
    expect(seeds).toEqual([0, 1]);
    expect(rows.map(({ name }: { name: string }) => name)).toEqual([baseline, '1. global', '2. region', '3. joint']);
    expect(rows[0].overBaseline).toBeUndefined();
    for (const { summary, overBaseline, perSeed } of rows.slice(1)) {
      const images = summary.gallery;
      const alone = perSeed.map(({ recallAt1 }: { recallAt1: number }) => recallAt1);
      expect(alone.length).toBe(2);
      expect(average(alone)).toBeCloseTo(summary.recall[1].value, 10);
      expect(summary.recall[1].n).toBe(2 * images); // of both seeds
      expect(overBaseline['R@1'].value).toBeCloseTo(summary.recall[1].value - rows[0].summary.recall[1].value, 10);
      expect(overBaseline['zero-shot AUC'].value).toBeCloseTo(summary.zeroShotAuc.value - rows[0].summary.zeroShotAuc.value, 10); // biome-ignore format: one line
    }
    const measurements = join(folder, 'run', 'measurements');
    const times = () => readdirSync(measurements).map((name) => [name, statSync(join(measurements, name)).mtimeMs]);
    const before = times();
    expect(before.length).toBe(4);
    expect((await run()).rows).toEqual(rows);
    expect(times()).toEqual(before);
    expect(readFileSync(join(folder, 'run', 'report.html'), 'utf8')).toContain('Difference from');
  });

  it('changes what a setting says, and gives the baseline as many steps', () => {
    const config = configOf();
    const changed = Object.fromEntries(settings.map(({ name, change }) => [name, change(config)]));
    const epochs = (of: typeof config) => of.stages.reduce((sum, stage) => sum + stage.epochs, 0);
    expect(changed[baseline]!.stages).toMatchObject([{ epochs: 3, losses: ['global'], batchSize: 4 }]);
    expect(changed['all losses from the start']!.stages).toMatchObject([{ losses: ['global', 'roi', 'negative'] }]);
    expect(changed['no negative captions']!.stages.map(({ losses }) => losses.join())).toEqual(['global', 'roi', 'global,roi']); // biome-ignore format: one line
    expect(changed['no ROI captions']!.stages.map(({ losses }) => losses.join())).toEqual(['global', 'negative', 'global,negative']); // biome-ignore format: one line
    for (const of of Object.values(changed)) expect(epochs(of)).toBe(3);
    expect(changed['keys: global (literal)']!.model.roi.keys).toBe('global');
    const resets = (name: string) => changed[name]!.stages.map(({ resetOptimizer }) => resetOptimizer);
    expect(resets('optimiser: a new one in every stage')).toEqual([true, true, true]);
    expect(resets('optimiser: one for all stages')).toEqual([true, false, false]);
    expect(changed['negative captions: Eq 10']!.loss.negative.mode).toBe('bce');
    expect(changed['negative captions: InfoNCE']!.loss.negative.mode).toBe('infonce');
    expect(config.model.roi.keys).toBe('patches');
  });

  it('compares on the same images, hard negatives by the best reading of each too', async () => {
    const config = configOf('data.patients=24', 'model.roi.features=align');
    const data = await RegionMedData.load(config);
    const readings = [];
    for (const seed of [0, 1]) {
      const model = await createModel({ ...config, seed }, data);
      readings.push(await measure(model, data, data.split.test, { batchSize: 5 }));
      model.dispose();
    }
    const [a, b] = readings as [(typeof readings)[0], (typeof readings)[0]];
    const found = differences(a, b, { resamples: 10, seed: 0 });
    const right = ({ rois }: typeof a, reading: 'fused' | 'roi' | 'image') => {
      const ids = [...new Set(rois.filter(({ negatives }) => negatives > 0).map(({ imageId }) => imageId))];
      const own = (id: string) => rois.filter(({ imageId }) => imageId === id);
      return average(ids.map((id) => average(own(id).map(({ hardNegative }) => hardNegative[reading]!))));
    };
    const best = (of: typeof a) => Math.max(right(of, 'fused'), right(of, 'roi'), right(of, 'image'));
    expect(found['hard negatives'].value).toBeCloseTo(right(a, 'fused') - right(b, 'fused'), 10);
    expect(found['hard negatives, best reading of each'].value).toBeCloseTo(best(a) - best(b), 10);
    const first = ({ images }: typeof a, withRois: boolean) =>
      average(images.flatMap((image) => Object.values(withRois ? image.withRois : { a: image.imageToText, b: image.textToImage }).map((place) => Number(place === 0)))); // biome-ignore format: one line
    const better = (of: typeof a) => Math.max(first(of, false), first(of, true));
    expect(found['R@1'].value).toBeCloseTo(first(a, false) - first(b, false), 10);
    expect(found['R@1, best reading of each'].value).toBeCloseTo(better(a) - better(b), 10);
  });
});
