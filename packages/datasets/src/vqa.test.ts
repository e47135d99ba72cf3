import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { miniatureSlake, picture, put } from '@medalign/testing/miniatures';
import { beforeEach, describe, expect, it } from 'vitest';
import { batches, decodeImage, givenSplit, normalizeAnswer, slake, splitByPatient, splitNames, vqaRad } from './index';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medalign-'));
});

describe('normalizeAnswer', () => {
  it.each([
    ['Yes', 'yes'],
    [' Right upper lobe. ', 'right upper lobe'],
    ['Heart \tlungs', 'heart lungs'],
    [4, '4'],
    ['5.6cm focal, predominantly hypodense', '5.6cm focal, predominantly hypodense'],
    ['CT;', 'ct'],
    ['T2-weighted', 't2-weighted'],
    ['2.5', '2.5'],
    [' . ', ''],
  ])('%s', (answer, expected) => expect(normalizeAnswer(answer)).toBe(expected));
});

/** VQA-RAD in small, with the oddities of the published file. */
const questions = [
  {
    qid: '0',
    phrase_type: 'freeform',
    image_name: 'synpic1.jpg',
    question: 'Is it there? ',
    question_type: 'PRES',
    answer: 'Yes',
    answer_type: 'CLOSED ',
  },
  {
    qid: '1',
    phrase_type: 'para',
    image_name: 'synpic1.jpg',
    question: 'How many?',
    question_type: 'COUNT',
    answer: 4,
    answer_type: 'OPEN',
  },
  {
    qid: '2',
    phrase_type: 'test_freeform',
    image_name: 'synpic1.jpg',
    question: 'Where is it?',
    question_type: 'POS, PRES',
    answer: 'Heart \tlungs',
    answer_type: 'OPEN',
  },
  {
    qid: '3',
    phrase_type: 'test_para',
    image_name: 'synpic2.jpg',
    question: 'Which?',
    question_type: 'Other',
    answer: 'x',
    answer_type: 'OPEN',
  },
  {
    qid: '4',
    phrase_type: 'para',
    image_name: 'lost.jpg',
    question: 'Which?',
    question_type: 'ATRIB',
    answer: 'x',
    answer_type: 'OPEN',
  },
].map((row) => ({ ...row, image_organ: 'CHEST', qid_linked_id: 'a', evaluation: 'given' }));

async function miniature(rows: object[] | string = questions) {
  const text = typeof rows === 'string' ? rows : JSON.stringify(rows);
  await put(join(folder, 'VQA_RAD Dataset Public.json'), text);
  for (const i of [1, 2])
    await put(join(folder, 'VQA_RAD Image Folder', `synpic${i}.jpg`), await picture('jpeg', 12, 10, i));
  return folder;
}

describe('vqaRad', () => {
  it('reads questions, answers, types and the split, and counts what is missing', async () => {
    const { samples, counts, notes } = await vqaRad(await miniature());
    expect(
      samples.map(({ id, question, answer, answerType, questionTypes, split, patientId }) => [
        id,
        question,
        answer,
        answerType,
        questionTypes,
        split,
        patientId,
      ]),
    ).toEqual([
      ['0', 'Is it there?', 'yes', 'closed', ['PRES'], 'train', 'synpic1'],
      ['1', 'How many?', '4', 'open', ['COUNT'], 'train', 'synpic1'],
      ['2', 'Where is it?', 'heart lungs', 'open', ['POS', 'PRES'], 'test', 'synpic1'],
      ['3', 'Which?', 'x', 'open', ['OTHER'], 'test', 'synpic2'],
    ]);
    expect(samples[1]).toMatchObject({
      text: 'How many?',
      meta: { answer: 4, organ: 'CHEST', phrase: 'para', linked: 'a', evaluated: 'given' },
    });
    expect(counts).toEqual({ rows: 5, kept: 4, dropped: { 'image file missing': 1 } });
    expect(notes).toContain('Questions: 2248 are published, this copy has 5.');
    expect(notes).toContain('The published parts share images: 1 of 2 test images are in train too.');
    for await (const { shape } of batches(samples)) expect(shape).toEqual([4, 224, 224, 3]);
  });

  it('names the question and what was expected', async () => {
    const spoiled = (change: object) => miniature([questions[0]!, { ...questions[1], ...change }]);
    await expect(vqaRad(await spoiled({ answer_type: 'HALF' }))).rejects.toThrow(
      /question 2: answer_type: expected OPEN or CLOSED, got 'HALF'/,
    );
    await expect(vqaRad(await spoiled({ phrase_type: 'free' }))).rejects.toThrow(
      /phrase_type: expected one of freeform.*'free'/,
    );
    await expect(vqaRad(await spoiled({ qid: '0' }))).rejects.toThrow(/qid 0 is already that of an earlier question/);
    await expect(vqaRad(await miniature([{ ...questions[0], answer: undefined, answers: 'x' }]))).rejects.toThrow(
      /question 1: 'answer' is missing; .*Nearest name: 'answers'/,
    );
    await expect(vqaRad(await miniature('{'))).rejects.toThrow(/Public.json: not JSON/);
    await expect(vqaRad(await miniature('{}'))).rejects.toThrow(/expected a list of questions/);
    await expect(vqaRad(await miniature([questions[4]!]))).rejects.toThrow(
      /no row is left of 1 \(image file missing: 1\)/,
    );
    await expect(vqaRad(join(folder, 'x'))).rejects.toThrow(/Public.json: cannot read the file/);
  });
});

const root = process.env.MEDALIGN_DATA ?? fileURLToPath(new URL('../../../../shared/data', import.meta.url));
const real = join(root, 'vqa-rad');
const present = existsSync(real);
if (!present)
  console.warn(`NOT TESTED on real data: ${real} is absent. Set MEDALIGN_DATA to the folder that holds vqa-rad.`);

describe.skipIf(!present)('vqaRad on the published files', () => {
  it('finds the published counts, and every oddity put right', async () => {
    const { samples, counts, notes } = await vqaRad(real);
    const count = (test: (s: (typeof samples)[number]) => boolean) => samples.filter(test).length;
    expect(counts).toEqual({ rows: 2248, kept: 2248, dropped: {} });
    expect(notes).toEqual(['The published parts share images: 202 of 203 test images are in train too.']);
    const table = ['train', 'test'].map((split) =>
      ['closed', 'open'].map((type) => count((s) => s.split === split && s.answerType === type)),
    );
    expect(table).toEqual([
      [1027, 770],
      [272, 179],
    ]);
    expect(new Set(samples.map(({ image }) => (image as { path: string }).path)).size).toBe(314);
    expect(count(({ meta }) => typeof meta!.answer === 'number')).toBe(5);
    expect(count(({ answer }) => answer === 'yes')).toBe(587);
    expect(count(({ answer }) => answer === 'no')).toBe(606);
    expect(
      samples.every(({ question, answer }) => /^\S.*\S$/.test(question) && answer !== '' && !/\t|\s$|\.$/.test(answer)),
    ).toBe(true);
    const types = new Set(samples.flatMap(({ questionTypes }) => questionTypes));
    expect([...types].sort()).toEqual([
      'ABN',
      'ATTRIB',
      'COLOR',
      'COUNT',
      'MODALITY',
      'ORGAN',
      'OTHER',
      'PLANE',
      'POS',
      'PRES',
      'SIZE',
    ]);
    expect(count(({ questionTypes }) => questionTypes.length === 2)).toBe(34);
    const { width, height } = await decodeImage((samples[0]!.image as { path: string }).path);
    expect(Math.min(width, height)).toBeGreaterThan(100);
  });

  it('splits by image where the published split does not', async () => {
    const set = await vqaRad(real);
    expect(() => givenSplit(set)).toThrow(/202 patients are in two parts/);
    const split = splitByPatient(set);
    const images = splitNames.map((name) => new Set(split[name].map(({ patientId }) => patientId)));
    expect(images[0]!.size + images[1]!.size + images[2]!.size).toBe(314);
  });
});

describe('slake', () => {
  it('reads the English questions with organ boxes and the published split', async () => {
    await miniatureSlake(folder);
    const set = await slake(folder);
    expect(
      set.samples.map(({ id, question, answer, answerType, questionTypes, split }) => [
        id,
        question,
        answer,
        answerType,
        questionTypes,
        split,
      ]),
    ).toEqual([
      ['train-0', 'What modality is used to take this image?', 'ct', 'open', ['Modality'], 'train'],
      ['train-2', 'Does the picture contain liver?', 'yes', 'closed', ['Organ'], 'train'],
      [
        'train-3',
        'Which organs belong to the respiratory system in this image?',
        'lung, trachea',
        'open',
        ['KG'],
        'train',
      ],
      ['validation-4', 'Is the lung healthy?', 'no', 'closed', ['Abnormality'], 'validation'],
      ['test-5', 'Where is the spleen?', 'upper left', 'open', ['Position'], 'test'],
    ]);
    expect(set.counts).toEqual({ rows: 8, kept: 5, dropped: { 'language zh': 2, 'image file missing': 1 } });
    expect(set.notes).toEqual([
      'English questions in train: 4919 are published, this copy has 3.',
      'English questions in validation: 1053 are published, this copy has 1.',
      'English questions in test: 1061 are published, this copy has 1.',
      '1 organ boxes without area were left out.',
    ]);
    expect(set.samples[0]).toMatchObject({
      patientId: 'xmlab100',
      regions: [
        { name: 'Liver', box: { x: 4, y: 6, width: 12, height: 10 } },
        { name: 'Spleen', box: { x: 20.5, y: 5, width: 6, height: 7 } },
      ],
      meta: {
        language: 'en',
        modality: 'CT',
        location: 'Abdomen',
        base: 'vqa',
        mask: join(folder, 'imgs/xmlab100/mask.png'),
      },
    });
    expect(set.samples[3]!.regions).toBeUndefined();
    const split = givenSplit(set);
    expect(splitNames.map((name) => split[name].length)).toEqual([3, 1, 1]);
  });

  it('reads Chinese, both languages, and the other name of the validation file', async () => {
    await miniatureSlake(folder, { validation: 'validation.json' });
    expect((await slake(folder, { language: 'zh' })).samples.map(({ answer }) => answer)).toEqual(['ct', '包含']);
    const both = await slake(folder, { language: null });
    expect(both.counts.kept).toBe(7);
    expect(both.options).toEqual({ language: null });
  });

  it('names the file, the question and what was expected', async () => {
    await miniatureSlake(folder);
    const boxes = join(folder, 'imgs/xmlab100/detection.json');
    await writeFile(boxes, '[{"Liver": [1, 2, 3]}]');
    await expect(slake(folder)).rejects.toThrow(
      /detection.json: expected \[\{"<organ>": \[x, y, width, height\]\}, …\], got \[?\{"Liver"/,
    );
    await writeFile(boxes, '{');
    await expect(slake(folder)).rejects.toThrow(/detection.json: expected/);
    await rm(boxes);
    const path = join(folder, 'test.json');
    const rows = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(
      path,
      JSON.stringify(rows.map((row: object, i: number) => (i === 1 ? { ...row, answer_type: '' } : row))),
    );
    await expect(slake(folder)).rejects.toThrow(/test.json: question 2: answer_type: expected OPEN or CLOSED, got ''/);
    await rm(path);
    await expect(slake(folder)).rejects.toThrow(/test.json: cannot read the file/);
  });
});
