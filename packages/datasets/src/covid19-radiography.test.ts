import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { miniatureCovid19Radiography, picture, put } from '@medalign/testing/miniatures';
import { beforeAll, describe, expect, it } from 'vitest';
import writeSpreadsheet from 'write-excel-file/node';
import { covid19Radiography, decodeImage } from './index';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medalign-'));
  await miniatureCovid19Radiography(folder);
});

describe('covid19Radiography', () => {
  it('matches tables, images and masks, whatever the case', async () => {
    const set = await covid19Radiography(folder);
    expect(set.counts).toEqual({ rows: 9, kept: 8, dropped: { 'image file missing': 1 } });
    expect(set.samples.map(({ id }) => id)).toEqual([
      'COVID-1',
      'COVID-2',
      'Lung_Opacity-1',
      'Lung_Opacity-2',
      'Normal-1',
      'Normal-2',
      'Viral Pneumonia-1',
      'Viral Pneumonia-2',
    ]);
    const normal = set.samples[4]!;
    expect(normal).toMatchObject({
      labels: { COVID: 0, Lung_Opacity: 0, Normal: 1, 'Viral Pneumonia': 0 },
      meta: {
        class: 'Normal',
        lungMask: join(folder, 'Normal', 'masks', 'Normal-1.png'),
        url: 'https://example.org/1',
      },
    });
    expect((await decodeImage(normal.meta!.lungMask as string)).width).toBe(26);
    expect(set.notes.slice(0, 2)).toEqual([
      'Images of COVID: 3616 are published, this copy has 2.',
      'Images of Lung_Opacity: 6012 are published, this copy has 2.',
    ]);
    expect(set.notes.at(-1)).toMatch(/^No patients are given/);
  });

  it('reports images without a row and without a mask', async () => {
    const other = await mkdtemp(join(tmpdir(), 'medalign-'));
    await miniatureCovid19Radiography(other);
    await rm(join(other, 'COVID', 'masks', 'COVID-2.png'));
    await put(join(other, 'Normal', 'images', 'Normal-7.png'), await picture('png', 30, 30, 5));
    const { notes, samples } = await covid19Radiography(other);
    expect(notes).toContain('1 images of COVID have no mask.');
    expect(notes).toContain('1 images of Normal are not in its table and are left out.');
    expect(samples[1]!.meta!.lungMask).toBeUndefined();
  });

  it('names the file, the column and the nearest name found', async () => {
    const other = await mkdtemp(join(tmpdir(), 'medalign-'));
    await expect(covid19Radiography(other)).rejects.toThrow(/COVID\.metadata\.xlsx: cannot read the spreadsheet/);
    await miniatureCovid19Radiography(other);
    const table = join(other, 'COVID.metadata.xlsx');
    await writeSpreadsheet([['FILENAME', 'FORMAT', 'SIZE', 'URL'].map((value) => ({ value }))]).toFile(table);
    await expect(covid19Radiography(other)).rejects.toThrow(
      /COVID\.metadata\.xlsx: column 'FILE NAME' is missing; .* Nearest name: 'FILENAME'/,
    );
    await writeFile(table, 'no spreadsheet');
    await expect(covid19Radiography(other)).rejects.toThrow(/cannot read the spreadsheet/);
    await writeFile(table, 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n');
    await expect(covid19Radiography(other)).rejects.toThrow(/this is a Git-LFS pointer/);
  });
});
