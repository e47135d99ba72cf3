import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { miniatureChexpert, miniatureMimicCxrJpg } from '@medalign/testing/miniatures';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { chexpert, chexpertLabels, type Dataset, fiveBy200, fiveClasses, mimicCxrJpg, type Sample } from './index';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medalign-'));
  await miniatureChexpert(folder);
});

describe('chexpert', () => {
  it('reads both tables: blanks are missing labels, not zeros', async () => {
    const set = await chexpert(folder);
    expect(set.counts).toEqual({ rows: 16, kept: 16, dropped: {} });
    expect(set.notes).toEqual([
      'Rows of train.csv: 223414 are published, this copy has 15.',
      'Rows of valid.csv: 234 are published, this copy has 1.',
    ]);
    expect(set.samples[1]).toMatchObject({
      id: 'train/patient00002/study1/view1_frontal.jpg',
      patientId: 'patient00002',
      studyId: 'patient00002/study1',
      text: '',
      split: 'train',
      labels: { 'No Finding': 0, Cardiomegaly: 0, Edema: 0, Consolidation: 0, Atelectasis: 1, 'Pleural Effusion': 0 },
      meta: { view: 'PA', frontal: true, sex: 'Female', age: 41 },
    });
    expect(set.samples[14]!.labels).toEqual({ Edema: -1 });
    expect(Object.keys(set.samples[15]!.labels!).sort()).toEqual([...chexpertLabels].sort());
    const frontal = await chexpert(folder, { frontalOnly: true, tables: ['train'] });
    expect(frontal.counts).toEqual({ rows: 15, kept: 14, dropped: { 'side view': 1 } });
  });

  it('names the file, the row and what was expected', async () => {
    const other = await mkdtemp(join(tmpdir(), 'medalign-'));
    await miniatureChexpert(other);
    const valid = join(other, 'valid.csv');
    await writeFile(valid, (await readFile(valid, 'utf8')).replace('AP,0.0,', 'AP,maybe,'));
    await expect(chexpert(other)).rejects.toThrow(
      /valid\.csv: row 1: No Finding: expected 1, 0, -1 or a blank, got 'maybe'/,
    );
    await rm(join(other, 'train'), { recursive: true });
    const table = await readFile(join(folder, 'train.csv'), 'utf8');
    await writeFile(join(other, 'train.csv'), table);
    await expect(chexpert(other, { tables: ['train'] })).rejects.toThrow(
      /no row is left of 15 \(image file missing: 15\)\. Fix: .*there is no folder .*train/,
    );
    await writeFile(join(other, 'train.csv'), table.replace('Frontal/Lateral', 'Frontal_Lateral'));
    await expect(chexpert(other)).rejects.toThrow(
      /train\.csv: column 'Frontal\/Lateral' is missing; .* Nearest name: 'Frontal_Lateral'/,
    );
    await writeFile(join(other, 'train.csv'), table.replace('patient00003/', ''));
    await expect(chexpert(other)).rejects.toThrow(
      /train\.csv: row 3: Path: expected …\/patient00001\/study1\/.*, got 'CheXpert/,
    );
  });
});

describe('fiveBy200', () => {
  it('draws frontal images of one class alone, by seed, and names them', async () => {
    const set = await chexpert(folder);
    const { samples, manifest } = fiveBy200(set, { perClass: 2 });
    const numbers = samples.map(({ patientId }) => Number(patientId.slice(7)));
    expect([0, 2, 4, 6, 8].map((i) => numbers.slice(i, i + 2).sort((a, b) => a - b))).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
      [7, 8],
      [9, 10],
    ]);
    const ids = samples.map(({ id }) => id).sort();
    expect(manifest).toMatchObject({
      format: 'medalign-5x200',
      version: 1,
      dataset: 'chexpert',
      options: { perClass: 2, seed: 0, reader: { frontalOnly: false } },
      sha256: createHash('sha256').update(ids.join('\n')).digest('hex'),
      classes: { Edema: { candidates: 2, ids: [7, 8].map((n) => `train/patient0000${n}/study1/view1_frontal.jpg`) } },
    });
    expect(fiveBy200(set, { perClass: 1, seed: 5 })).toEqual(
      fiveBy200({ ...set, samples: [...set.samples].reverse() }, { perClass: 1, seed: 5 }),
    );
    const draws = new Set(
      Array.from({ length: 20 }, (_, seed) => fiveBy200(set, { perClass: 1, seed }).manifest.sha256),
    );
    expect(draws.size).toBeGreaterThan(5);
  });

  it('says how many there are if there are too few', async () => {
    const set = await chexpert(folder);
    expect(() => fiveBy200(set)).toThrow(
      'fiveBy200: chexpert: expected at least 200 frontal images of each class alone, got Atelectasis 2, Cardiomegaly 2, Consolidation 2, Edema 2, Pleural Effusion 2. Fix: perClass, or read more of the set',
    );
    expect(() => fiveBy200(set, { perClass: 0 })).toThrow(/perClass: expected a whole number >= 1, got 0/);
  });

  it('works on MIMIC-CXR-JPG, if its labels were read', async () => {
    const mimic = await mkdtemp(join(tmpdir(), 'medalign-'));
    await miniatureMimicCxrJpg(mimic);
    const set = await mimicCxrJpg(mimic, { text: 'none', views: null, labels: 'chexpert' });
    expect(() => fiveBy200(set, { perClass: 1 })).toThrow(
      /got Atelectasis 0, Cardiomegaly 0, Consolidation 0, Edema 1, Pleural Effusion 0/,
    );
    expect(() => fiveBy200({ ...set, samples: set.samples.map((s) => ({ ...s, labels: undefined })) })).toThrow(
      /no sample has CheXpert labels\. Fix: read it with labels: 'chexpert'/,
    );
  });

  it('holds to the rule, label by label', () => {
    const others = [
      'Enlarged Cardiomediastinum',
      'Lung Lesion',
      'Lung Opacity',
      'Pneumonia',
      'Pneumothorax',
      'Pleural Other',
      'Fracture',
      'Support Devices',
    ];
    const cell = fc.constantFrom(undefined, undefined, undefined, undefined, undefined, 0, 0, 0, 1, -1);
    const sample = fc.record({ frontal: fc.boolean(), cells: fc.array(cell, { minLength: 14, maxLength: 14 }) });
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1, maxLength: 40 }), (drawn) => {
        const samples = drawn.map(({ frontal, cells }, i): Sample => {
          const labels = Object.fromEntries(
            chexpertLabels.flatMap((name, k) => (cells[k] === undefined ? [] : [[name, cells[k]]])),
          );
          return {
            id: `${i}`,
            patientId: `${i}`,
            image: { kind: 'file', path: '' },
            text: '',
            labels: { Edema: 0, ...labels },
            meta: { frontal },
          };
        });
        const expected = fiveClasses.map((name) => {
          const alone = samples.filter(({ labels, meta }) => {
            const zero = [...fiveClasses.filter((other) => other !== name), ...others].every(
              (other) => labels![other] === undefined || labels![other] === 0,
            );
            return meta!.frontal && labels![name] === 1 && zero;
          });
          return `${name} ${alone.length}`;
        });
        const set: Dataset = { name: 'drawn', samples, counts: { rows: 0, kept: 0, dropped: {} }, notes: [] };
        expect(() => fiveBy200(set, { perClass: 41 })).toThrow(expected.join(', '));
      }),
    );
  });
});
