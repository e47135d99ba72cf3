import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { miniatureCovid19Radiography, miniatureMimicCxrJpg, miniatureMsCxr } from '@medalign/testing/miniatures';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PlanData } from './data';
import { configOf } from './testing/tiny';

describe('data to train on', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'medalign-plan-data-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const mimic = (...sets: string[]) =>
    PlanData.load(configOf('data.kind=mimic-cxr-jpg', `data.path=${join(folder, 'mimic')}`, ...sets));

  it('of MIMIC-CXR-JPG: reports kept apart, the chosen section, the split as published, patients of MS-CXR left out', async () => {
    await miniatureMimicCxrJpg(join(folder, 'mimic'), { reports: join(folder, 'reports') });
    await miniatureMsCxr(join(folder, 'ms-cxr'));
    const reports = `data.reports=${join(folder, 'reports')}`;
    const all = await mimic(reports);
    expect(all.split.manifest.options.by).toBe('given');
    const texts = (data: PlanData) => data.dataset.samples.map(({ text }) => text);
    const impressions = await mimic(reports, 'data.text=impression');
    expect(texts(impressions)).toContain('No acute cardiopulmonary process.');
    expect(texts(all)).not.toContain('No acute cardiopulmonary process.');
    const without = await mimic(reports, `data.exclude=${join(folder, 'ms-cxr')}`);
    const patients = (data: PlanData) => new Set(data.dataset.samples.map(({ patientId }) => patientId));
    expect(patients(without).size).toBeLessThan(patients(all).size);
    expect(without.dataset.counts.dropped['excluded patient']).toBeGreaterThan(0);
    expect(without.split.manifest.options.reader).toMatchObject({ excludedPatients: { count: expect.any(Number) } });
  });

  it('must have reports', async () => {
    await miniatureCovid19Radiography(folder);
    const load = PlanData.load(configOf('data.kind=covid19-radiography', `data.path=${folder}`));
    await expect(load).rejects.toThrow(/covid19-radiography has no reports to train on/);
  });

  const pairs = (rows: string[], ...sets: string[]) => {
    writeFileSync(join(folder, 'pairs.csv'), ['image,text,patient', ...rows].join('\n'));
    return PlanData.load(configOf('data.kind=pairs', `data.path=${join(folder, 'pairs.csv')}`, ...sets));
  };

  it('of your own: images of another folder, and rows without one left out if asked', async () => {
    mkdirSync(join(folder, 'images'));
    const names = Array.from({ length: 20 }, (_, i) => `${i}.png`);
    for (const name of names) writeFileSync(join(folder, 'images', name), '');
    const rows = [...names, 'lost.png'].map((name, i) => `${name},Text.,p${i}`);
    await expect(pairs(rows)).rejects.toThrow(/row 1: image file not found/);
    const elsewhere = `data.imageFolder=${join(folder, 'images')}`;
    await expect(pairs(rows, elsewhere)).rejects.toThrow(/row 21: image file not found: .*allowMissingImages/);
    const { dataset } = await pairs(rows, elsewhere, 'data.allowMissingImages=true');
    expect(dataset.counts).toEqual({ rows: 21, kept: 20, dropped: { 'image file missing': 1 } });
  });

  it('may be few: fractions that fit are named, and validation may be left out', async () => {
    const rows = Array.from({ length: 12 }, (_, i) => `${i}.png,Text.,p${i % 8}`);
    for (let i = 0; i < 12; i++) writeFileSync(join(folder, `${i}.png`), '');
    const of = (fractions: string) => pairs(rows, `data.fractions={${fractions}}`);
    const message = await of('train: 0.75, validation: 0.03, test: 0.22').then(
      () => 'not refused',
      (error: Error) => error.message,
    );
    expect(message).toMatch(/validation would be empty: 8 patients .* Here: --set 'data\.fractions=\{train/);
    const { split } = await of(/data\.fractions=\{(.*)\}'$/.exec(message)![1]!);
    expect(split.validation.length).toBeGreaterThan(0);
    await expect(of('train: 0.75, validation: 0, test: 0.22')).rejects.toThrow(
      /= 0\.97\. Here: --set 'data\.fractions=\{train: …/,
    );
    const { validation, train, test } = (await of('train: 0.75, validation: 0, test: 0.25')).split;
    expect([validation.length, train.length + test.length]).toEqual([0, 12]);
  });

  it('must have a validation part if the learning rate follows it', () => {
    const none = 'data.fractions={train: 0.75, validation: 0, test: 0.25}';
    expect(() => configOf(none, 'optimizer.schedule=plateau')).toThrow(/optimizer\.schedule: .*plateau follows/);
    expect(configOf(none, 'optimizer.schedule=cosine').data.fractions.validation).toBe(0);
  });

  it('is read by the tokenizer that is named, as its own files say', async () => {
    const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'Edema', 'edema'];
    writeFileSync(join(folder, 'vocab.txt'), `${vocabulary.join('\n')}\n`);
    const ids = async (cased: boolean, ...sets: string[]) => {
      writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify({ do_lower_case: !cased }));
      const config = configOf(`model.text.vocabulary=${folder}`, ...sets);
      const { tokenizer } = await PlanData.load(config);
      expect(tokenizer.vocabulary).toEqual(vocabulary);
      return { ids: [...tokenizer.encode(['Edema']).ids], lowercase: config.model.text.lowercase };
    };
    expect(await ids(true)).toEqual({ ids: [2, 4, 3], lowercase: false });
    expect(await ids(false)).toEqual({ ids: [2, 5, 3], lowercase: true });
    expect(await ids(false, 'model.text.lowercase=false')).toEqual({ ids: [2, 4, 3], lowercase: false });
  });
});
