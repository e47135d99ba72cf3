import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { miniatureMimicCxrJpg, miniatureMsCxr, picture, put } from '@medalign/testing/miniatures';
import { beforeAll, describe, expect, it } from 'vitest';
import { mimicCxrJpg, msCxr, patientIds } from './index';

const folderOf = () => mkdtemp(join(tmpdir(), 'medalign-'));
let images: string;

beforeAll(async () => {
  images = await folderOf();
  await miniatureMimicCxrJpg(images);
});

describe('msCxr', () => {
  it('reads the same phrases from the table and the COCO file of every version', async () => {
    const sets = [];
    for (const version of ['0.1', '1.0.0', '1.1.0']) {
      for (const format of ['csv', 'json'] as const) {
        const path = await miniatureMsCxr(await folderOf(), { version, format });
        const set = await msCxr(path, { images });
        expect(set.samples.map(({ split }) => split)).toEqual(
          version === '1.1.0' ? ['train', 'test', 'train'] : [undefined, undefined, undefined],
        );
        sets.push(set);
      }
    }
    const plain = sets.map(({ samples }) => samples.map(({ split: _, ...rest }) => rest));
    for (const samples of plain) expect(samples).toEqual(plain[0]);
    const [first, second, third] = plain[0]!;
    expect(first!.findings!.length).toBe(1);
    expect(second).toMatchObject({
      id: '2a2277a9',
      patientId: '10000032',
      studyId: '53189527',
      text: 'mild bilateral edema. Heart is enlarged.',
      findings: [
        {
          category: 'Edema',
          phrase: 'mild bilateral edema',
          box: { x: 2, y: 8, width: 27, height: 20.5 },
          boxes: [
            { x: 2, y: 8, width: 10, height: 20 },
            { x: 18, y: 9.5, width: 11, height: 19 },
          ],
        },
        { category: 'Cardiomegaly', phrase: 'Heart is enlarged.', box: { x: 8, y: 18, width: 16, height: 14 } },
      ],
    });
    for (const { phrase } of second!.findings!) expect(second!.text).toContain(phrase);
    // One of its two boxes has no area.
    expect(third!.findings![0]!.boxes).toEqual([{ x: 3, y: 2, width: 9, height: 6 }]);
    expect(sets[0]!.counts).toEqual({ rows: 3, kept: 3, dropped: {} });
    expect(sets[0]!.notes).toEqual([
      '4 phrases in 6 boxes on 3 images: Cardiomegaly 1, Edema 1, Pneumonia 1, Pneumothorax 1.',
      'Phrases: 1162 are published, this copy has 4.',
      'Categories: 8 are published, this copy has 4.',
      '1 boxes without area or outside their image are left out.',
      'Leave these patients out of pre-training on MIMIC-CXR (patientIds, excludePatients).',
    ]);
    expect(sets.at(-1)!.notes.at(-1)).toMatch(/split is MS-CXR's own, not that of MIMIC-CXR/);
  });

  it('gives the subjects to leave out of pre-training', async () => {
    const folder = await folderOf();
    await miniatureMsCxr(folder);
    const set = await msCxr(folder, { images });
    expect(patientIds(set)).toEqual(['10000032', '11000416']);
    const rest = await mimicCxrJpg(images, { excludePatients: patientIds(set) });
    expect(rest.samples.some(({ patientId }) => patientIds(set).includes(patientId))).toBe(false);
    expect(rest.samples.length).toBe(3);
  });

  it('refuses resized images, whose boxes would be off, and counts missing ones', async () => {
    const other = await folderOf();
    await miniatureMimicCxrJpg(other);
    const path = await miniatureMsCxr(await folderOf());
    const first = join(other, 'files/p10/p10000032/s50414267/02aa804e.jpg');
    await put(first, await picture('jpeg', 16, 20, 0));
    await expect(msCxr(path, { images: other })).rejects.toThrow(
      /02aa804e\.jpg: .*row 1 has boxes in pixels of 32 × 40, the image is 16 × 20\. Fix: use the original images/,
    );
    await rm(first);
    expect((await msCxr(path, { images: other })).counts).toEqual({
      rows: 3,
      kept: 2,
      dropped: { 'image file missing': 1 },
    });
    await expect(msCxr(path, { images: await folderOf() })).rejects.toThrow(
      /no row is left of 3 \(image file missing: 3\)\. Fix: `images`/,
    );
  });

  it('names the file, the row and what was expected', async () => {
    const folder = await folderOf();
    await expect(msCxr(folder, { images })).rejects.toThrow(
      /expected one MS_CXR_Local_Alignment_v1\.0\.0\.csv or \.json, found none/,
    );
    const csv = await miniatureMsCxr(folder);
    await miniatureMsCxr(folder, { format: 'json' });
    expect((await msCxr(folder, { images })).samples.length).toBe(3);
    await miniatureMsCxr(folder, { version: '1.1.0' });
    await expect(msCxr(folder, { images })).rejects.toThrow(
      /found .*v1\.0\.0\.csv, .*v1\.0\.0\.json, .*v1\.1\.0\.csv\. Fix: give the path/,
    );
    const table = await readFile(csv, 'utf8');
    await writeFile(csv, table.replace('label_text', 'labeltext'));
    await expect(msCxr(csv, { images })).rejects.toThrow(
      /column 'label_text' is missing; .* Nearest name: 'labeltext'/,
    );
    await writeFile(csv, table.replace(',4,20,8,10,', ',4,x,8,10,'));
    await expect(msCxr(csv, { images })).rejects.toThrow(/row 1: expected numbers x, y, w, h, got 4, NaN, 8, 10/);
    await writeFile(csv, table.replace('/p10000032/', '/subject/'));
    await expect(msCxr(csv, { images })).rejects.toThrow(
      /row 1: path: expected files\/p10\/p10000032\/.* got 'files\/p10\/subject\//,
    );
    const json = join(folder, 'MS_CXR_Local_Alignment_v1.0.0.json');
    const coco = JSON.parse(await readFile(json, 'utf8'));
    await writeFile(json, JSON.stringify({ ...coco, annotations: [{ ...coco.annotations[0], image_id: 77 }] }));
    await expect(msCxr(json, { images })).rejects.toThrow(/annotations\[0\]: image_id 77 is not among the images/);
    await writeFile(json, JSON.stringify({ ...coco, images: undefined }));
    await expect(msCxr(json, { images })).rejects.toThrow(
      /expected a COCO file with a list 'images', found info, categories, annotations/,
    );
    await writeFile(json, '{"images":');
    await expect(msCxr(json, { images })).rejects.toThrow(/\.json: not JSON/);
  });
});
