import { mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { miniatureMimicCxrJpg, put } from '@medalign/testing/miniatures';
import { beforeAll, describe, expect, it } from 'vitest';
import { applyManifest, batches, givenSplit, mimicCxrJpg, patientIds, resizePadCrop } from './index';

const folderOf = () => mkdtemp(join(tmpdir(), 'medalign-'));
let folder: string;

beforeAll(async () => {
  folder = await folderOf();
  await miniatureMimicCxrJpg(folder);
});

describe('mimicCxrJpg', () => {
  it('joins the tables, the images and the reports, and counts what is left out', async () => {
    const set = await mimicCxrJpg(folder);
    expect(
      set.samples.map(({ id, patientId, studyId, split, text, meta }) => [
        id,
        patientId,
        studyId,
        split,
        meta!.textFrom,
        text,
      ]),
    ).toEqual([
      [
        '02aa804e',
        '10000032',
        '50414267',
        'train',
        'both',
        'There is no focal consolidation, pleural effusion or pneumothorax. A 2.5 cm nodule is seen, previously ___ cm. No acute cardiopulmonary process.',
      ],
      ['2a2277a9', '10000032', '53189527', 'train', 'both', 'Mild edema. Discussed with Dr. ___ at 3 p.m. by phone.'],
      ['096052b7', '10000764', '57375967', 'train', 'impression', '1. Small left effusion. 2. Stable heart.'],
      ['8d0476be', '10000898', '50771383', 'validate', 'lastParagraph', 'The lungs are clear and the heart is normal.'],
      [
        '93681764',
        '11000183',
        '51967845',
        'test',
        'both',
        'Right pneumothorax, ___. Right apical pneumothorax of 1.2 cm, as above.',
      ],
      ['dafbb2a3', '11000416', '57084339', 'test', 'both', 'Clear lungs. ___.'],
    ]);
    expect(set.counts).toEqual({
      rows: 10,
      kept: 6,
      dropped: { 'view LATERAL': 1, 'view not given': 1, 'report file missing': 1, 'image file missing': 1 },
    });
    expect(set.notes).toEqual([
      'Images: 377110 are published, this copy has 10.',
      'Images in train: 368960 are published, this copy has 6.',
      'Images in validate: 2991 are published, this copy has 1.',
      'Images in test: 5159 are published, this copy has 3.',
      '1 images have a report with neither findings nor impression: its last paragraph is the text.',
    ]);
    expect(set.samples[0]!.labels).toBeUndefined();
    for await (const { shape } of batches(set.samples, { transform: resizePadCrop({ resize: 32, crop: 32 }) })) {
      expect(shape).toEqual([6, 32, 32, 3]);
    }
  });

  it.each([
    ['findings', 5, 'Clear lungs.', { 'no text (findings)': 1 }],
    ['impression', 5, undefined, { 'no text (impression)': 1 }],
    ['longest', 6, 'Clear lungs.', {}],
    ['full', 6, 'FINAL REPORT FINDINGS: Clear lungs. CONCLUSION: ___.', {}],
  ] as const)('text: %s', async (text, kept, last, dropped) => {
    const set = await mimicCxrJpg(folder, { text });
    expect(set.samples.length).toBe(kept);
    expect(set.samples.find(({ id }) => id === 'dafbb2a3')?.text).toBe(last);
    expect(set.counts.dropped).toMatchObject(dropped);
    expect(set.options).toMatchObject({ text, blanks: 'token' });
  });

  it('filters by view and part, drops blanks, and reads labels without reports', async () => {
    const all = await mimicCxrJpg(folder, { text: 'none', views: null, labels: 'chexpert' });
    expect(all.counts).toEqual({ rows: 10, kept: 9, dropped: { 'image file missing': 1 } });
    const labelsOf = (id: string) => all.samples.find((sample) => sample.id === id)!.labels;
    expect(labelsOf('02aa804e')).toEqual({
      Consolidation: 0,
      'Lung Lesion': 1,
      'Pleural Effusion': 0,
      Pneumothorax: 0,
    });
    expect(labelsOf('174413ec')).toEqual(labelsOf('02aa804e'));
    expect(labelsOf('096052b7')).toEqual({ Atelectasis: -1, 'Pleural Effusion': 1 });
    expect(labelsOf('dafbb2a3')).toBeUndefined();
    expect(all.notes.at(-1)).toBe('2 images have no row in the chexpert table.');
    const tests = await mimicCxrJpg(folder, { splits: ['test'], blanks: 'drop', labels: 'negbio' });
    expect(tests.samples.map(({ id, text }) => [id, text])).toEqual([
      ['93681764', 'Right pneumothorax,. Right apical pneumothorax of 1.2 cm, as above.'],
      ['dafbb2a3', 'Clear lungs..'],
    ]);
    expect(tests.counts.dropped).toMatchObject({ 'split train': 5, 'split validate': 1 });
  });

  it('leaves patients out, and says whom in the manifest', async () => {
    const set = await mimicCxrJpg(folder, { excludePatients: ['10000032', '11000416', 'nobody'] });
    expect(patientIds(set)).toEqual(['10000764', '10000898', '11000183']);
    expect(set.counts.dropped).toMatchObject({ 'excluded patient': 3 });
    const { manifest } = givenSplit(set);
    expect(manifest.options.reader).toMatchObject({ text: 'both', excludedPatients: { count: 3 } });
  });

  it('splits as published, and a manifest fits only what was read the same way', async () => {
    const set = await mimicCxrJpg(folder);
    const split = givenSplit(set);
    expect([split.train.length, split.validation.length, split.test.length]).toEqual([3, 1, 2]);
    expect(split.manifest.options).toEqual({
      by: 'given',
      fractions: { train: 0.5, validation: 1 / 6, test: 2 / 6 },
      seed: null,
      together: [],
      reader: { text: 'both', blanks: 'token', views: ['PA', 'AP'] },
    });
    expect(applyManifest(set, split.manifest).test).toEqual(split.test);
    const other = await mimicCxrJpg(folder, { text: 'longest' });
    expect(() => applyManifest(other, split.manifest)).toThrow(
      'mimic-cxr-jpg: the manifest was made with text "both", the dataset was read with "longest". Fix: read it with the manifest\'s options.reader',
    );
  });

  it('reads plain tables, and reports from a folder of their own', async () => {
    const [images, reports] = [await folderOf(), await folderOf()];
    await miniatureMimicCxrJpg(images, { gz: false, reports });
    const set = await mimicCxrJpg(images, { reports });
    expect(set.samples.map(({ text }) => text)).toEqual((await mimicCxrJpg(folder)).samples.map(({ text }) => text));
    await expect(mimicCxrJpg(images)).rejects.toThrow(
      /metadata\.csv: no row is left of 10 \(.*report file missing: 7.*\)\. Fix: .*`reports`/,
    );
  });

  it('names the file, the column and the nearest name found', async () => {
    const other = await folderOf();
    await expect(mimicCxrJpg(other)).rejects.toThrow(
      /expected mimic-cxr-2\.0\.0-metadata\.csv or .*\.gz; the folder is empty/,
    );
    await miniatureMimicCxrJpg(other, { gz: false });
    await rename(join(other, 'mimic-cxr-2.0.0-split.csv'), join(other, 'mimic-cxr-2.0.0-splits.csv'));
    await expect(mimicCxrJpg(other)).rejects.toThrow(
      /expected mimic-cxr-2\.0\.0-split\.csv or .* Nearest name: 'mimic-cxr-2\.0\.0-splits\.csv'/,
    );
    await rename(join(other, 'mimic-cxr-2.0.0-splits.csv'), join(other, 'mimic-cxr-2.0.0-split.csv'));
    await writeFile(join(other, 'mimic-cxr-2.0.0-metadata.csv'), 'dicom_id,subject_id,study_id,View_Position\n');
    await expect(mimicCxrJpg(other)).rejects.toThrow(
      /metadata\.csv: column 'ViewPosition' is missing; .* Nearest name: 'View_Position'/,
    );
    await rm(join(other, 'mimic-cxr-2.0.0-negbio.csv'));
    await miniatureMimicCxrJpg(other, { gz: false });
    expect(await readdir(other)).toContain('mimic-cxr-2.0.0-negbio.csv');
  });

  it('says when the images are Git-LFS pointers', async () => {
    const other = await folderOf();
    await miniatureMimicCxrJpg(other);
    const first = join(other, 'files/p10/p10000032/s50414267/02aa804e.jpg');
    await put(first, 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n');
    await expect(mimicCxrJpg(other)).rejects.toThrow(/02aa804e\.jpg: this is a Git-LFS pointer/);
  });
});
