import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Dataset, readRois, withRois } from './index';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medalign-'));
});
const table = async (text: string, minScore?: number) => {
  const path = join(folder, 'boxes.csv');
  await writeFile(path, text);
  return readRois(path, { minScore });
};
const dataset = (...paths: string[]): Dataset => ({
  name: 'mine',
  samples: paths.map((path, i) => ({ id: `s${i}`, patientId: `p${i}`, text: '', image: { kind: 'file', path } })),
  counts: { rows: paths.length, kept: paths.length, dropped: {} },
  notes: ['first'],
});

describe('readRois', () => {
  it('reads boxes by image, with and without source and score', async () => {
    const { rois, counts } = await table(
      'score,image,x,y,width,height,source\n0.9,a.png,1,2,3.5,4,yolo\n,a.png,-1,0,10,10,\n0.2,b.png,1,1,1,1,yolo\n0.8,b.png,1,1,0,5,yolo\n0.8,b.png,1,1,-2,5,yolo\n',
      0.5,
    );
    expect(Object.fromEntries(rois)).toEqual({
      'a.png': [
        { x: 1, y: 2, width: 3.5, height: 4, source: 'yolo', score: 0.9 },
        { x: -1, y: 0, width: 10, height: 10, source: 'file', score: 1 },
      ],
    });
    expect(counts).toEqual({ rows: 5, kept: 2, dropped: { 'score below 0.5': 1, 'box without area': 2 } });
    expect((await table('image,x,y,width,height\na,1,2,3,4\n')).rois.get('a')).toEqual([
      { x: 1, y: 2, width: 3, height: 4, source: 'file', score: 1 },
    ]);
  });

  it('names file, row and what is wrong', async () => {
    await expect(table('image,x,y,Widths,height\na,1,2,3,4\n')).rejects.toThrow(
      /boxes.csv: column 'width' is missing.*Nearest name: 'Widths'/,
    );
    await expect(table('image,x,y,width,height\na,1,2,3,4\na,1,?,3,4\n')).rejects.toThrow(
      /row 2: y: expected a number, got '\?'/,
    );
    await expect(table('image,x,y,width,height\na,,2,3,4\n')).rejects.toThrow(/row 1: x: expected a number, got ''/);
    await expect(table('image,x,y,width,height\n,1,2,3,4\n')).rejects.toThrow(/row 1: image: expected a file name/);
    await expect(table('image,x,y,width,height,score\na,1,2,3,4,90\n')).rejects.toThrow(/score: expected 0…1, got 90/);
  });
});

describe('withRois', () => {
  it('matches ids and ends of paths, keeps what was there, and says what matched nothing', async () => {
    const boxes = await table(
      'image,x,y,width,height\na.png,1,1,1,1\nsub/b.png,2,2,2,2\ns2,3,3,3,3\nghost.png,4,4,4,4\n',
    );
    const set = dataset('/data/a.png', '/data/sub/b.png', '/data/c.png', '/data/d.png');
    set.samples[0]!.rois = [{ x: 0, y: 0, width: 9, height: 9, source: 'old', score: 1 }];
    const { samples, notes } = withRois(set, boxes);
    expect(samples.map(({ rois }) => rois?.map(({ x }) => x))).toEqual([[0, 1], [2], [3], undefined]);
    expect(set.samples[0]!.rois!.length).toBe(1);
    expect(notes).toEqual([
      'first',
      `3 of 4 images have boxes from ${boxes.path}.`,
      `1 images of ${boxes.path} are not in the dataset.`,
    ]);
  });

  it('gives the boxes of a file to every sample of it, and refuses a name that fits two files', async () => {
    const boxes = await table('image,x,y,width,height\na.png,1,1,1,1\n');
    const twice = withRois(dataset('/data/a.png', '/data/a.png'), boxes);
    expect(twice.samples.every(({ rois }) => rois!.length === 1)).toBe(true);
    expect(() => withRois(dataset('/x/a.png', '/y/a.png'), boxes)).toThrow(/'a.png' could be \/x\/a.png or \/y\/a.png/);
    expect(() => withRois(dataset('/x/za.png'), boxes)).toThrow(
      /no image of mine is in the table; it has 'a.png', .* 's0'/,
    );
  });
});
