import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { csv, miniatureRsnaPneumonia, put } from '@medalign/testing/miniatures';
import { beforeAll, describe, expect, it } from 'vitest';
import { ImageCache } from './batches';
import { batches, decodeImage, givenSplit, loadImage, resizePadCrop, rsnaPneumonia } from './index';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medalign-'));
  await miniatureRsnaPneumonia(folder);
});

describe('rsnaPneumonia', () => {
  it('makes one sample of the rows of an exam', async () => {
    const set = await rsnaPneumonia(folder);
    expect(set.counts).toEqual({ rows: 5, kept: 4, dropped: { 'image file missing': 1 } });
    expect(set.samples.map(({ id, labels, meta }) => [id, labels!.Pneumonia, meta!.class])).toEqual([
      ['0004cfab', 0, 'No Lung Opacity / Not Normal'],
      ['00313ee0', 0, 'Normal'],
      ['00436515', 1, 'Lung Opacity'],
      ['00704310', 1, 'Lung Opacity'],
    ]);
    expect(set.samples[0]!.findings).toEqual([]);
    expect(set.samples[2]!.findings!.map(({ box, phrase }) => [phrase, box])).toEqual([
      ['pneumonia', { x: 6, y: 10, width: 12, height: 20 }],
      ['pneumonia', { x: 38, y: 12.5, width: 14, height: 22 }],
    ]);
    expect(set.notes).toEqual([
      '5 exams in 6 rows.',
      'Exams: 26684 are published, this copy has 5.',
      'Rows: 30227 are published, this copy has 6.',
      'An id names an exam, not a person: a split by patient cannot keep exams of one person together.',
    ]);
  });

  it('feeds batches with DICOM as with any other image; the option travels', async () => {
    const set = await rsnaPneumonia(folder, { dicom: { scale: 'bits' } });
    expect(set.options).toEqual({ dicom: { scale: 'bits' }, phrase: 'pneumonia' });
    const transform = resizePadCrop({ resize: 32, crop: 32 });
    const seen = [];
    for await (const { shape, samples, skipped } of batches(set.samples, { transform, channels: 1 })) {
      seen.push(shape, samples.length, skipped.length);
    }
    expect(seen).toEqual([[4, 32, 32, 1], 4, 0]);
    // The one MONOCHROME1 file: `bits` turns 255 − v into (255 − v) / 255.
    const inverted = await loadImage(set.samples[1]!.image);
    const plain = await decodeImage((set.samples[1]!.image as { path: string }).path, {
      dicom: { scale: 'bits', invert: false },
    });
    expect(Math.max(...inverted.data.map((v, i) => Math.abs(v + plain.data[i]! - 1)))).toBeLessThan(1e-6);
  });

  it('keeps images of different options apart in a cache', async () => {
    const cache = new ImageCache();
    const transform = resizePadCrop({ resize: 16, crop: 16 });
    const first = async (dicom: object) => {
      const { samples } = await rsnaPneumonia(folder, { dicom });
      for await (const { images } of batches(samples.slice(0, 1), { transform, channels: 1, cache })) return images;
    };
    expect(await first({ scale: 'bits' })).not.toEqual(await first({ scale: 'minMax' }));
    expect(cache.size).toBe(2);
  });

  it('sets the published split, or says that it is not the published one', async () => {
    const set = await rsnaPneumonia(folder, { split: 'gloria' });
    // What scikit-learn's two calls give for these five ids.
    expect(set.samples.map(({ id, split }) => [id, split])).toEqual([
      ['0004cfab', 'validate'],
      ['00313ee0', 'train'],
      ['00436515', 'test'],
      ['00704310', 'train'],
    ]);
    expect(set.notes.join(' ')).toMatch(/it is not the published one/);
    expect(givenSplit(set).validation.map(({ id }) => id)).toEqual(['0004cfab']);
  });

  it('names the file, the row and what was expected', async () => {
    const other = await mkdtemp(join(tmpdir(), 'medalign-'));
    await miniatureRsnaPneumonia(other);
    const labels = join(other, 'stage_2_train_labels.csv');
    const text = await readFile(labels, 'utf8');
    const broken = async (from: string, to: string) => {
      await writeFile(labels, text.replace(from, to));
      return rsnaPneumonia(other);
    };
    await expect(broken('Target', 'target')).rejects.toThrow(/column 'Target' is missing; .* Nearest name: 'target'/);
    await expect(broken('0004cfab,,,,,0', '0004cfab,,,,,1')).rejects.toThrow(
      /row 1: expected Target 0 without a box or Target 1 with one, got Target 1 and '', '', '', ''/,
    );
    await expect(broken('0004cfab,,,,,0', '0004cfab,1,2,3,4,0')).rejects.toThrow(
      /row 1: .* got Target 0 and '1', '2', '3', '4'/,
    );
    await expect(broken('38.0,12.5,14.0,22.0,1', ',,,,0')).rejects.toThrow(/row 4: 00436515 has Target 0 and 1/);
    await writeFile(labels, text);
    await put(join(other, 'stage_2_detailed_class_info.csv'), csv('patientId,class', ['00313ee0,Healthy']));
    await expect(rsnaPneumonia(other)).rejects.toThrow(/00313ee0: class: expected one of Normal, .* got 'Healthy'/);
    await put(
      join(other, 'stage_2_detailed_class_info.csv'),
      csv('patientId,class', ['00436515,Normal', '00313ee0,Normal']),
    );
    const set = await rsnaPneumonia(other);
    expect(set.counts.dropped).toEqual({ 'not in stage_2_detailed_class_info.csv': 3 });
    expect(set.notes.join(' ')).toMatch(/1 exams have a target that does not go with their class/);
  });
});
