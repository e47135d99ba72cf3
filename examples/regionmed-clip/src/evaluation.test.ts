import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { useBackend } from '@medalign/backend';
import { phantomMedRegion, writeManifest, writeMedRegion } from '@medalign/datasets';
import { RunFolder } from '@medalign/trainer';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { EvaluationTask } from './config';
import { RegionMedData } from './data';
import { measure } from './evaluate';
import { type EvaluationOptions, evaluate } from './evaluation';
import { summarize, toJson } from './summary';
import { configOf } from './testing/tiny';
import { createModel, train } from './train';

describe('evaluate', () => {
  let folder: string;
  let run: string;
  let wanted: ReturnType<typeof toJson>;
  let testImages: number;
  beforeAll(async () => {
    await useBackend('wasm');
    folder = mkdtempSync(join(tmpdir(), 'medalign-regionmed-evaluate-'));
    run = join(folder, 'run');
    const config = configOf('data.patients=20', 'model.roi.features=align', 'train.maxStepsPerStage=1');
    const data = await RegionMedData.load(config);
    testImages = data.split.test.length;
    const model = await createModel(config, data);
    const runFolder = new RunFolder(run, { config });
    await writeManifest(runFolder.file('split.json'), data.split.manifest);
    await train(config, data, { model, run: runFolder });
    const measured = await measure(model, data, data.split.test, { batchSize: 3 });
    wanted = toJson(summarize(measured, { resamples: 20, seed: 0 }));
    model.dispose();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  let results = 0;
  async function read<T extends EvaluationTask = 'alignment'>(options: Partial<EvaluationOptions> & { task?: T } = {}) {
    const spies = (['stdout', 'stderr'] as const).map((name) =>
      vi.spyOn(process[name], 'write').mockImplementation(() => true),
    );
    const out = join(folder, `result-${++results}`);
    try {
      const defaults = {
        checkpoint: run,
        allowTrained: false,
        sets: [],
        overwrite: false,
        backend: 'wasm',
        json: true,
      };
      return { out, result: await evaluate<T>({ ...defaults, out, ...options }) };
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  }

  it('gives the numbers of the training run on its own test patients, and writes them', async () => {
    const { result, out } = await read();
    expect(result.test).toEqual(wanted);
    expect(result).toMatchObject({ part: 'test', step: 3, trainingImages: 0, test: { gallery: testImages } });
    expect(JSON.parse(readFileSync(join(out, 'result.json'), 'utf8')).test).toEqual(wanted);
  });

  it('refuses training patients, or says how many there are; another phantom has none', async () => {
    await expect(read({ part: 'all' })).rejects.toThrow(/images are of patients that the model was trained on/);
    const { result } = await read({ part: 'all', allowTrained: true });
    expect(result.trainingImages).toBeGreaterThan(5);
    const other = await read({ sets: ['data.seed=1'] });
    expect(other.result).toMatchObject({ part: 'all', trainingImages: 0 });
  });

  it('reads a MedRegion folder whole, with its own proportions of images', async () => {
    const path = join(folder, 'set');
    const { samples } = phantomMedRegion({ seed: 5, patients: 8, imagesPerPatient: [1, 1], size: 56 });
    await writeMedRegion(path, samples.map((sample) => ({ ...sample, id: `x-${sample.id}`, patientId: `x-${sample.patientId}` }))); // biome-ignore format: one line
    const { result } = await read({ path });
    expect(result).toMatchObject({ dataset: 'medregion', part: 'all', trainingImages: 0, test: { gallery: 8 } });
    expect(Object.keys(result.test.zeroShotAuc).length).toBe(8);
  });

  it('tells images apart after a few examples of training patients, and saves which', async () => {
    const { result, out } = await read({ task: 'few-shot', shots: [1], seeds: 6 });
    expect(result).toMatchObject({ task: 'few-shot', part: 'test', shots: [1], seeds: [0, 1, 2, 3, 4, 5] });
    expect(JSON.parse(readFileSync(join(out, 'result.json'), 'utf8'))).toEqual(result);
    const ids = JSON.parse(readFileSync(join(out, 'few-shot-ids.json'), 'utf8'));
    const { parts } = JSON.parse(readFileSync(join(run, 'split.json'), 'utf8'));
    const training = new Set(parts.train.ids);
    expect(ids.length % 6).toBe(0);
    expect(ids.flatMap(({ images }: { images: string[] }) => images).every((id: string) => training.has(id))).toBe(
      true,
    );
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('Few-shot classification of frozen vectors');
    await expect(read({ task: 'few-shot', part: 'all', allowTrained: true })).rejects.toThrow(
      /--split all: --task few-shot/,
    );
    await expect(read({ task: 'few-shot', shots: [50] })).rejects.toThrow(/two classes with 50 images each/);
  });

  it('never writes over a training run or a result, and says what is no checkpoint', async () => {
    await expect(read({ out: run })).rejects.toThrow(/folder of a training run/);
    const { out } = await read();
    await expect(read({ out })).rejects.toThrow(/holds a result/);
    await expect(read({ checkpoint: join(folder, 'nothing') })).rejects.toThrow(/there is nothing at this path/);
    await expect(read({ checkpoint: out })).rejects.toThrow(/this folder has no checkpoint \(it holds result.json\)/);
    await expect(read({ sets: ['model.width=16'] })).rejects.toThrow(/does not fit the model .* --set model.width=16/);
    const broken = join(folder, 'broken.safetensors');
    writeFileSync(broken, 'no');
    await expect(read({ checkpoint: broken })).rejects.toThrow(/broken\.safetensors/);
  });
});
