import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { miniatureSlake } from '@medalign/testing/miniatures';
import { loadConfig } from '@medalign/trainer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sides, vqaConfigOf } from './testing/vqa-tiny';
import { vqaConfigSchema } from './vqa-config';
import { VqaData, withWrongImages } from './vqa-data';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'medalign-vqa-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('VqaData', () => {
  it('has answers and words of training questions alone', async () => {
    await miniatureSlake(folder);
    const data = await VqaData.load(vqaConfigOf('data.kind=slake', `data.path=${folder}`));
    expect(data.answers).toEqual(['ct', 'lung, trachea', 'yes']);
    expect(data.images.train.map(({ id, questions }) => [id, questions.length])).toEqual([['xmlab100', 2], ['xmlab101', 1]]); // biome-ignore format: one line
    for (const word of ['modality', 'liver', 'respiratory']) expect(data.vocabulary).toContain(word);
    for (const word of ['healthy', 'spleen', 'where']) expect(data.vocabulary).not.toContain(word);
    for await (const { labels } of data.evaluationBatches([...data.images.validation, ...data.images.test]))
      expect([...labels]).toEqual([-1, -1]);
    for await (const { labels } of data.evaluationBatches(data.images.train)) expect([...labels]).toEqual([0, 2, 1]);
  });

  it('takes boxes where there are any, what stands out where not, or the whole image', async () => {
    await miniatureSlake(folder);
    const roisOf = async (regions: string) => {
      const { images } = await VqaData.load(vqaConfigOf('data.kind=slake', `data.path=${folder}`, `data.regions=${regions}`)); // biome-ignore format: one line
      return [...images.train, ...images.test].map(({ rois }) =>
        rois.map(({ source, x, width }) => [source, x, width]),
      );
    };
    const [liver, , without] = await roisOf('boxes');
    expect(liver).toEqual([['annotator', 4, 12], ['annotator', 20.5, 6]]); // biome-ignore format: one line
    expect(without!.every(([source]) => source === 'saliency')).toBe(true);
    expect(await roisOf('whole')).toEqual([[], [], []]);
    const data = await VqaData.load(vqaConfigOf('data.kind=slake', `data.path=${folder}`, 'data.regions=whole'));
    for await (const { boxes, roiMask } of data.evaluationBatches(data.images.test)) {
      expect([...boxes]).toEqual([0.5, 0.5, 1, 1, 0, 0, 0, 0]);
      expect([...roiMask]).toEqual([1, 0]);
    }
  });

  it('holds back whole training images for validation, and leaves the test part as it was published', async () => {
    const dataset = sides({ train: 20, test: 5 });
    const { split, images } = await VqaData.of(dataset, vqaConfigOf('data.validation=0.2'));
    expect(images.validation.length).toBe(4);
    expect(split.test).toEqual(dataset.samples.filter((sample) => sample.split === 'test'));
    expect([...split.train, ...split.validation].length).toBe(40);
    const trained = new Set(split.train.map(({ patientId }) => patientId));
    expect(split.validation.some(({ patientId }) => trained.has(patientId))).toBe(false);
    const other = await VqaData.of(dataset, vqaConfigOf('data.validation=0.2', 'data.seed=1'));
    expect(other.images.validation.map(({ id }) => id)).not.toEqual(images.validation.map(({ id }) => id));
  });

  it('leaves out answers that too few questions have, and refuses what leaves nothing', async () => {
    const dataset = sides();
    dataset.samples[0]!.answer = 'neither';
    const config = vqaConfigOf('data.minAnswerCount=2', 'data.validation=0.1');
    const { answers, images, split } = await VqaData.of(dataset, config);
    expect([...answers].sort()).toEqual(['left', 'no', 'right', 'yes']);
    const asked = images.train.flatMap(({ questions }) => questions);
    expect(asked.length).toBe(split.train.filter(({ answer }) => answer !== 'neither').length);
    await expect(VqaData.of(dataset, vqaConfigOf('data.minAnswerCount=99'))).rejects.toThrow(/data\.minAnswerCount=99/);
    const trained = { ...dataset, samples: dataset.samples.filter(({ split }) => split === 'train') };
    await expect(VqaData.of(trained, vqaConfigOf())).rejects.toThrow(/the test part has no question/);
    const nowhere = loadConfig({ schema: vqaConfigSchema });
    await expect(VqaData.load(nowhere)).rejects.toThrow(/data\.path.*--data <folder>/);
  });

  it('gives each question another image, and every image away once', async () => {
    const { images } = await VqaData.of(sides(), vqaConfigOf());
    const wrong = withWrongImages(images.train, 3);
    expect(wrong.map(({ questions }) => questions)).toEqual(images.train.map(({ questions }) => questions));
    wrong.forEach(({ image }, i) => {
      expect(image).not.toBe(images.train[i]!.image);
    });
    expect(new Set(wrong.map(({ image }) => image)).size).toBe(images.train.length);
  });
});

const root = process.env.MEDALIGN_DATA ?? fileURLToPath(new URL('../../../../shared/data', import.meta.url));
const real = join(root, 'vqa-rad');
const present = existsSync(real);
if (!present)
  console.warn(`NOT TESTED on real data: ${real} is absent. Set MEDALIGN_DATA to the folder that holds vqa-rad.`);

describe.skipIf(!present)('VqaData on the published VQA-RAD', () => {
  it('has its 451 test questions, and no training image in the validation part', async () => {
    const file = fileURLToPath(new URL('../configs/vqa-rad.yaml', import.meta.url));
    const sets = [`data.path=${real}`, 'data.regions=whole']; // looking for regions takes seconds
    const { split, answers } = await VqaData.load(loadConfig({ file, schema: vqaConfigSchema, sets }));
    expect(split.test.length).toBe(451);
    expect(split.train.length + split.validation.length).toBe(1797);
    expect(split.validation.length / 1797).toBeCloseTo(0.15, 1);
    const trained = new Set(split.train.map(({ patientId }) => patientId));
    expect(split.validation.some(({ patientId }) => trained.has(patientId))).toBe(false);
    expect(new Set(split.train.map(({ answer }) => answer))).toEqual(new Set(answers));
    expect(answers.length).toBeLessThanOrEqual(431); // of all training questions
  });
});
