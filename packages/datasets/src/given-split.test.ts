import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { applyManifest, type Dataset, givenSplit, readManifest, splitByPatient, writeManifest } from './index';

/** Patient and split of each sample. */
const dataset = (rows: [string, string?][], more: Partial<Dataset> = {}): Dataset => ({
  name: 'given',
  samples: rows.map(([patientId, split], i) => ({
    id: `s${i}`,
    patientId,
    text: '',
    image: { kind: 'file', path: `${i}.png` },
    split,
  })),
  counts: { rows: rows.length, kept: rows.length, dropped: {} },
  notes: [],
  ...more,
});

describe('givenSplit', () => {
  it('takes every published name of a part', () => {
    const names = ['train', 'Training', 'validate', 'valid', 'val', 'dev', ' validation ', 'test', 'TESTING'];
    const split = givenSplit(dataset(names.map((name, i) => [`p${i}`, name])));
    expect([split.train.length, split.validation.length, split.test.length]).toEqual([2, 5, 2]);
  });

  it('writes a manifest that reads back, with the options of the reader', async () => {
    const set = dataset(
      [
        ['a', 'train'],
        ['b', 'test'],
      ],
      { options: { text: 'findings' } },
    );
    const { manifest } = givenSplit(set);
    const path = join(await mkdtemp(join(tmpdir(), 'medalign-')), 'split.json');
    await writeManifest(path, manifest);
    const back = await readManifest(path);
    expect(back).toEqual(manifest);
    expect(back.options).toEqual({
      by: 'given',
      fractions: { train: 0.5, validation: 0, test: 0.5 },
      seed: null,
      together: [],
      reader: { text: 'findings' },
    });
    expect(applyManifest(set, back).test.map(({ id }) => id)).toEqual(['s1']);
    expect(() => applyManifest({ ...set, options: { text: 'findings', labels: 'negbio' } }, back)).toThrow(
      'the manifest was made with labels not set, the dataset was read with "negbio"',
    );
    // A manifest of before, or a dataset without options, is taken as it is.
    expect(applyManifest({ ...set, options: undefined }, back).train.length).toBe(1);
    expect(splitByPatient(set, { fractions: { train: 0.5, validation: 0, test: 0.5 } }).manifest.options).toMatchObject(
      {
        by: 'patient',
        seed: 0,
        reader: { text: 'findings' },
      },
    );
  });

  it('refuses samples without a split, unknown names, and a person in two parts', () => {
    expect(() => givenSplit(dataset([['a', 'train'], ['b']]))).toThrow(
      'given: s1: expected a split such as train, validate or test, got none. Fix: correct it, or split here instead: without the `split` column, or with splitByPatient',
    );
    expect(() => givenSplit(dataset([['a', 'fold 1']]))).toThrow(/got fold 1/);
    expect(() =>
      givenSplit(
        dataset([
          ['a', 'train'],
          ['a', 'test'],
          ['b', 'test'],
        ]),
      ),
    ).toThrow(/1 patients are in two parts of the given split, such as a\. Fix: correct the `split` column/);
    const one = [['a', 'b']];
    expect(() =>
      givenSplit(
        dataset(
          [
            ['a', 'train'],
            ['b', 'test'],
          ],
          { together: one },
        ),
      ),
    ).toThrow(/1 patients are in two parts/);
  });
});
