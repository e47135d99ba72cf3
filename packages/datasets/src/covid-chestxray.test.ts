import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { batches, covidChestxray, decodeImage, resizePadCrop, splitByPatient, splitNames } from './index';

const header =
  'patientid,offset,sex,age,finding,view,modality,date,folder,filename,license,clinical_notes,other_notes,';
const rows = [
  '1,0,M,50,Pneumonia/Viral/COVID-19,PA,X-ray,2020,images,a.jpg,CC BY,Left lower lobe consolidation.,,',
  '285,0,F,64,Pneumonia,L,X-ray,2013,images,b.jpg,CC BY,"Cough, fever.",,',
  '339,0,F,64,Pneumonia,L,X-ray,2013,images,b.jpg,CC BY,"Cough, fever.",,',
  '3,0,F,64,"COVID-19, ARDS",PA,X-ray,2020,images,c.jpg,CC BY,S\uFFFDv\uFFFDre.,,',
  '4,,,,todo,PA,X-ray,2020,images,a.jpg,CC BY,x,,',
  '5,,,,Pneumonia,Axial,CT,2020,images,a.jpg,CC BY,x,,',
  '6,,,,Pneumonia,PA,X-ray,2020,images,lost.jpg,CC BY,x,,',
  '7,,,,Pneumonia,PA,X-ray,2020,images,d.jpg,CC BY,,note,',
];
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medalign-'));
  await mkdir(join(folder, 'images'));
  await mkdir(join(folder, 'annotations'));
  for (const name of ['a', 'b', 'c', 'd']) {
    const blank = sharp({ create: { width: 50, height: 40, channels: 3, background: '#777777' } });
    await blank.jpeg().toFile(join(folder, 'images', `${name}.jpg`));
  }
  await writeFile(join(folder, 'metadata.csv'), `${[header, ...rows].join('\n')}\n`);
  // The boxes are of an original twice as large, under another extension.
  const annotations = {
    images: [{ id: 7, file_name: 'a.png', width: 100, height: 80 }],
    annotations: [{ image_id: 7, category_id: 1, bbox: [10, 20, 30, 40] }],
    categories: [{ id: 1, name: 'Right Lung' }],
  };
  const name = 'imageannotation_ai_lung_bounding_boxes.json';
  await writeFile(join(folder, 'annotations', name), JSON.stringify(annotations));
});

describe('covidChestxray', () => {
  it('keeps what can be used and counts the rest', async () => {
    const set = await covidChestxray(folder);
    expect(set.samples.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    expect(set.counts).toEqual({
      rows: 8,
      kept: 3,
      dropped: {
        'image already in an earlier row': 1,
        'finding undecided': 1,
        'modality CT': 1,
        'image file missing': 1,
        'no clinical_notes': 1,
      },
    });
    expect(set.samples[0]).toMatchObject({
      text: 'Left lower lobe consolidation.',
      labels: { ARDS: 0, 'COVID-19': 1, Pneumonia: 1, Viral: 1 },
      regions: [{ name: 'Right Lung', box: { x: 5, y: 10, width: 15, height: 20 } }],
    });
    expect(set.samples[2]!.labels).toEqual({ ARDS: 1, 'COVID-19': 1, Pneumonia: 0, Viral: 0 });
    expect(set.together).toEqual([['285', '339']]);
    expect(set.notes.at(-1)).toMatch(/^1 rows have U\+FFFD/);
  });

  it('filters by view and reads another text column', async () => {
    const set = await covidChestxray(folder, { views: ['PA'], textColumn: 'other_notes' });
    expect(set.samples.map(({ id, text }) => [id, text])).toEqual([['d', 'note']]);
    await expect(covidChestxray(folder, { views: ['Oblique'] })).rejects.toThrow(
      /no row is left of 8 \(view PA: 5, view L: 2, modality CT: 1\)|no row is left of 8/,
    );
  });

  it('names the file, the missing column and the nearest one', async () => {
    const other = await mkdtemp(join(tmpdir(), 'medalign-'));
    await writeFile(join(other, 'metadata.csv'), `${header.replace('clinical_notes', 'clinical notes')}\n`);
    await expect(covidChestxray(other)).rejects.toThrow(
      /metadata\.csv: column 'clinical_notes' is missing; expected patientid, .*Nearest name: 'clinical notes'/,
    );
  });

  it('says when the images are Git-LFS pointers', async () => {
    const other = await mkdtemp(join(tmpdir(), 'medalign-'));
    await mkdir(join(other, 'images'));
    await writeFile(join(other, 'metadata.csv'), `${header}\n${rows[0]}\n`);
    await writeFile(
      join(other, 'images', 'a.jpg'),
      'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n',
    );
    await expect(covidChestxray(other)).rejects.toThrow(/a\.jpg: this is a Git-LFS pointer, not an image/);
  });
});

const root = process.env.MEDALIGN_DATA ?? fileURLToPath(new URL('../../../../shared/data', import.meta.url));
const real = join(root, 'covid-chestxray');
const present = existsSync(real);
if (!present)
  console.warn(
    `NOT TESTED on real data: ${real} is absent. Set MEDALIGN_DATA to the folder that holds covid-chestxray.`,
  );

describe.skipIf(!present)('covidChestxray on the published files', () => {
  it('finds the published counts', async () => {
    const all = await covidChestxray(real, { modalities: ['X-ray', 'CT'], requireText: false });
    expect(all.counts).toEqual({ rows: 360, kept: 355, dropped: { 'image already in an earlier row': 5 } });
    const xrays = await covidChestxray(real, { requireText: false });
    expect(xrays.samples.length).toBe(306);
    expect(all.samples.filter(({ regions }) => regions).length).toBe(57);
    expect(all.samples.filter(({ meta }) => meta!.lungMask).length).toBe(126);
    expect(new Set(all.samples.map(({ id }) => id)).size).toBe(355);
    const noted = await covidChestxray(real);
    expect(noted.counts).toEqual({
      rows: 360,
      kept: 214,
      dropped: { 'modality CT': 49, 'image already in an earlier row': 5, 'no clinical_notes': 92 },
    });
    expect(noted.samples.filter(({ labels }) => labels!['COVID-19'] === 1).length).toBeGreaterThan(100);
  });

  it('splits by person and decodes a batch with its lung boxes inside the lungs', async () => {
    const set = await covidChestxray(real, { requireText: false });
    expect(set.together).toEqual([
      ['285', '339'],
      ['287', '340'],
    ]);
    const split = splitByPatient(set);
    const patients = splitNames.map((name) => new Set(split[name].map(({ patientId }) => patientId)));
    for (const id of patients[2]!) expect(patients[0]!.has(id)).toBe(false);

    const boxed = set.samples.filter(({ regions }) => regions).slice(0, 6);
    for (const { image, regions } of boxed) {
      const { width, height } = await decodeImage((image as { path: string }).path);
      for (const { box } of regions!) {
        expect(box.x).toBeGreaterThanOrEqual(-1);
        expect(box.x + box.width).toBeLessThanOrEqual(width + 1);
        expect(box.y + box.height).toBeLessThanOrEqual(height + 1);
      }
    }
    const transform = resizePadCrop({ resize: 64, crop: 64 });
    for await (const { shape, images } of batches(boxed, { batchSize: 6, transform })) {
      expect(shape).toEqual([6, 64, 64, 3]);
      expect(images.every((v) => v >= -1.0001 && v <= 1.0001)).toBe(true);
    }
  });
});
