import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { useBackend } from '@medalign/backend';
import { miniatureSlake } from '@medalign/testing/miniatures';
import { RunFolder } from '@medalign/trainer';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { RegionMedData } from './data';
import { configOf } from './testing/tiny';
import { createModel, train } from './train';
import { createVqaModel, vqa, vqaConfig } from './vqa';
import { VqaData } from './vqa-data';

let folder: string;
beforeAll(() => useBackend('wasm') as Promise<unknown>);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'medalign-vqa-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  vi.restoreAllMocks();
});

describe('regionmed vqa', () => {
  const yaml = fileURLToPath(new URL('../configs/vqa-rad.yaml', import.meta.url));
  const tiny = [
    'data.kind=slake',
    'image={resize: 18, crop: 16, channels: 1}',
    'model={width: 8, image: {resnet: {layers: [1, 1], widths: [4, 8], strides: [1, 2]}}, text: {hiddenSize: 8, heads: 2, layers: 1, intermediateSize: 16}, roi: {features: align, max: 2, heads: 2}}',
    'head.hidden=12',
    'train.epochs=2',
    'evaluate={bootstrap: 20, pictures: 2}',
  ];
  const options = (...sets: string[]) => ({
    file: yaml,
    sets: [...tiny, `data.path=${folder}`, ...sets],
    backend: 'wasm',
    out: join(folder, 'run'),
    overwrite: false,
    json: true,
    signal: new AbortController().signal,
  });

  it('prints numbers that a count over its answers gives too', async () => {
    await miniatureSlake(folder);
    const printed: string[] = [];
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
    await vqa(options());
    const result = JSON.parse(printed.join(''));
    expect(JSON.parse(readFileSync(join(folder, 'run/result.json'), 'utf8'))).toEqual(result);
    const lines = readFileSync(join(folder, 'run/answers.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line)); // biome-ignore format: one line
    const test = JSON.parse(readFileSync(join(folder, 'test.json'), 'utf8')) as { qid: number; answer: string }[];
    const right = lines.filter(({ id, prediction }) => {
      const answer = test.find(({ qid }) => id === `test-${qid}`)!.answer;
      return answer.toLowerCase().replace('.', '') === prediction;
    });
    expect(lines.length).toBe(1);
    expect(result.test).toMatchObject({
      overall: { n: 1, right: right.length, accuracy: right.length },
      open: { n: 1, right: right.length },
      closed: { n: 0, right: 0, accuracy: null },
    });
    expect(result.questions).toEqual({ train: 3, validation: 1, test: 1 });
    expect(result.answers).toBe(3);
    expect(result.openAnswerNotInTraining).toEqual({ share: 1, n: 1 });
    expect(result.baselines.majorityByType.answers).toEqual({ open: 'ct', closed: 'no' }); // yes and no are one each
    expect(Object.keys(result.controls)).toEqual(['questionOnly']); // one test image: there is no other to show
    for (const name of ['config.resolved.yaml', 'env.json', 'split.json', 'question-only/metrics.jsonl'])
      expect(existsSync(join(folder, 'run', name)), name).toBe(true);
    const html = readFileSync(join(folder, 'run/report.html'), 'utf8');
    for (const part of ['Where is the spleen?', 'Validation accuracy', 'By question type'])
      expect(html).toContain(part);
    expect(html).not.toMatch(/(src|href)="https?:/);
  });

  it('starts from a RegionMed-CLIP run: its encoders, its words, its sizes', async () => {
    const set = join(folder, 'set');
    await miniatureSlake(set);
    const pretraining = configOf('model.roi.features=align', 'train.maxStepsPerStage=1');
    const texts = await RegionMedData.load(pretraining);
    const first = await createModel(pretraining, texts);
    const run = new RunFolder(join(folder, 'pretrained'), { config: pretraining });
    await train(pretraining, texts, { model: first, run });
    const config = await vqaConfig(yaml, run.path, ['data.kind=slake', `data.path=${set}`, 'head.hidden=12']);
    expect([config.model, config.image]).toEqual([pretraining.model, pretraining.image]);
    const data = await VqaData.load(config, { vocabulary: texts.vocabulary });
    const model = await createVqaModel(config, data);
    for (const [name, variable] of first.variables())
      expect([...model.variables().get(name)!.dataSync()], name).toEqual([...variable.dataSync()]);
    for await (const batch of data.evaluationBatches(data.images.train)) expect(model.logits(data.onEngine(batch)).shape).toEqual([3, 3]); // biome-ignore format: one line
    const other = { ...config, model: { ...config.model, width: 16 } };
    await expect(createVqaModel(other, data)).rejects.toThrow(/model: differs from that of the run to start from/);
    model.dispose();
    first.dispose();
  });
});
