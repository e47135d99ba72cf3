import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetWriteFile } from 'hyparquet-writer';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { batches, pairsDataset, patientHash, splitByPatient } from './index';

let folder: string;
const write = async (name: string, text: string) => {
  await writeFile(join(folder, name), text);
  return join(folder, name);
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medalign-'));
  for (const name of ['a.png', 'b.png']) {
    await sharp({ create: { width: 6, height: 4, channels: 3, background: '#808080' } })
      .png()
      .toFile(join(folder, name));
  }
});

describe('pairsDataset', () => {
  it('without a patient column, the name of an image is nobody whom another table may have too', async () => {
    const hashes = async (table: string) => {
      const fractions = { train: 0.5, validation: 0, test: 0.5 };
      const { parts } = splitByPatient(await pairsDataset(await write('who.csv', table)), { fractions }).manifest;
      return [...parts.train.patientHashes!, ...parts.test.patientHashes!].sort();
    };
    expect(await hashes('image,text\n./a.png,Clear.\nb.png,Effusion.\n')).toEqual([]);
    const known = await hashes('image,text,patient\na.png,Clear.,ann\nb.png,Effusion.,bob\n');
    expect(known).toEqual(['ann', 'bob'].map(patientHash).sort());
  });

  const box = { x: 1, y: 1, width: 2, height: 2 };

  it('reads the same samples from CSV, TSV, JSON Lines and Parquet', async () => {
    const boxes = '[{"x":1,"y":1,"width":2,"height":2,"phrase":"small nodule","category":"nodule"}]';
    const csv = `image,text,label,split,patient,boxes,site,\na.png,"Small nodule, left.",nodule;mass,train,p1,"${boxes.replaceAll('"', '""')}",x,\nb.png,Clear.,,test,p2,,y,\n`;
    const tsv = `image\ttext\tlabel\tsplit\tpatient\tboxes\tsite\na.png\tSmall nodule, left.\tnodule;mass\ttrain\tp1\t${boxes}\tx\nb.png\tClear.\t\ttest\tp2\t\ty\n`;
    const rows = [
      {
        image: 'a.png',
        text: 'Small nodule, left.',
        label: 'nodule;mass',
        split: 'train',
        patient: 'p1',
        boxes,
        site: 'x',
      },
      { image: 'b.png', text: 'Clear.', label: '', split: 'test', patient: 'p2', boxes: '', site: 'y' },
    ];
    const parquet = join(folder, 'pairs.parquet');
    parquetWriteFile({
      filename: parquet,
      columnData: Object.keys(rows[0]!).map((name) => ({
        name,
        data: rows.map((row) => row[name as 'text']),
        type: 'STRING',
      })),
    });
    const paths = [
      await write('pairs.csv', `\uFEFF${csv}`),
      await write('pairs.tsv', tsv),
      await write(
        'pairs.jsonl',
        rows.map((row) => JSON.stringify({ ...row, boxes: row.boxes && JSON.parse(row.boxes) })).join('\n'),
      ),
      parquet,
    ];
    const sets = await Promise.all(paths.map((path) => pairsDataset(path)));
    for (const set of sets) expect(set.samples).toEqual(sets[0]!.samples);
    const [first, second] = sets[0]!.samples;
    expect(first).toMatchObject({
      patientId: 'p1',
      text: 'Small nodule, left.',
      labels: { nodule: 1, mass: 1 },
      split: 'train',
      image: { kind: 'file', path: join(folder, 'a.png') },
      findings: [{ category: 'nodule', phrase: 'small nodule', box, boxes: [box] }],
      meta: { site: 'x' },
    });
    expect(second).toMatchObject({ labels: undefined, findings: undefined, split: 'test' });
    for await (const { shape } of batches(sets[0]!.samples)) expect(shape).toEqual([2, 224, 224, 3]);
  });

  it('reads other column names, boxes as lists, and drops rows with a count', async () => {
    const path = await write(
      'captions.jsonl',
      '{"file":"a.png","caption":"Nodule.","boxes":[[1,1,2,2]]}\n{"file":"a.png","caption":"Nodule."}\n{"file":"b.png","caption":""}\n{"file":"a.png","caption":"Other."}\n{"file":"c.png","caption":"Lost."}\n',
    );
    const set = await pairsDataset(path, { columns: { image: 'file', text: 'caption' }, allowMissingImages: true });
    expect(set.counts).toEqual({
      rows: 5,
      kept: 2,
      dropped: { 'pair already in an earlier row': 1, 'no text': 1, 'image file missing': 1 },
    });
    expect(set.samples[0]!.findings).toEqual([{ category: '', phrase: 'Nodule.', box, boxes: [box] }]);
    expect(set.samples[0]!.patientId).toBe(set.samples[1]!.patientId);
    expect(set.notes[0]).toMatch(/No patient column/);
    expect(() => splitByPatient(set)).toThrow(/would be empty/);
  });

  it('names file, row, column and nearest name', async () => {
    const wrong = await write('wrong.csv', 'image,Texts\na.png,Clear.\n');
    await expect(pairsDataset(wrong)).rejects.toThrow(
      /wrong\.csv: column 'text' is missing; expected image, text; found image, Texts\. Nearest name: 'Texts'/,
    );
    const lost = await write('lost.csv', 'image,text\na.png,Clear.\nz.png,Gone.\n');
    await expect(pairsDataset(lost)).rejects.toThrow(
      /lost\.csv: row 2: image file not found: .*z\.png\. Fix: correct or remove the row, .*\(`allowMissingImages`\)/,
    );
    const box = await write('box.csv', 'image,text,boxes\na.png,Clear.,"[[1,2,3]]"\n');
    await expect(pairsDataset(box)).rejects.toThrow(
      /row 1: boxes: expected \[\[x, y, width, height\], …\].* got \[1,2,3\]/,
    );
    const id = await write('id.csv', 'image,text,id\na.png,Clear.,1\nb.png,Clear.,1\n');
    await expect(pairsDataset(id)).rejects.toThrow(/row 2: id '1' is already that of row 1/);
    await expect(pairsDataset(await write('pairs.txt', ''))).rejects.toThrow(
      /expected a \.csv, \.tsv, \.jsonl or \.parquet file, got 'txt'/,
    );
    await expect(pairsDataset(await write('bad.jsonl', '{"image":\n'))).rejects.toThrow(/bad\.jsonl: line 1: not JSON/);
    await expect(pairsDataset(join(folder, 'none.csv'))).rejects.toThrow(/none\.csv: cannot read the file/);
    const pointer = await write('pointer.csv', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n');
    await expect(pairsDataset(pointer)).rejects.toThrow(/pointer\.csv: this is a Git-LFS pointer/);
  });

  it('says in notes what it did not use or read as it was named, and which letters were lost before', async () => {
    const notes = async (text: string) => (await pairsDataset(await write('notes.csv', text))).notes.join('\n');
    const typo = await notes('image,text,patent,lable,site,view\na.png,Clear.,p1,x,y,z\n');
    expect(typo).toMatch(/No patient column/);
    expect(typo).toContain("Column 'patent' is not used; did you mean 'patient'?");
    expect(typo).toContain("Column 'lable' is not used; did you mean 'label'?");
    expect(typo).toContain('Columns that are not used: site, view.');
    expect(await notes('image,text,patient,patients,id\na.png,Clear.,p1,2,3\n')).toBe(
      'Columns that are not used: patients.',
    );
    expect(await notes('image;text;patient\na.png;Small, left.;p1\n')).toMatch(/^The columns are separated by ';'/);
    expect(await notes('image,text,patient\na.png,Opacit\uFFFD.,p1\n')).toMatch(/^1 rows have U\+FFFD/);
    expect(await notes('image,text,patient\na.png,Clear.,p1\n')).toBe('');
  });

  it('refuses Latin-1, a table without a header, and a folder', async () => {
    const latin = await write('latin.csv', '');
    await writeFile(latin, Buffer.from('image,text\na.png,Clear.\nb.png,Opacité.\n', 'latin1'));
    await expect(pairsDataset(latin)).rejects.toThrow(/latin\.csv: line 3 is not UTF-8\. Fix: save it as UTF-8/);
    const bare = await write('bare.csv', 'a.png,Clear.,5\n');
    await expect(pairsDataset(bare)).rejects.toThrow(/found a\.png, Clear\., 5\. Is the first line the header\?$/);
    const bareLines = await write('bare.jsonl', '{"a":1}\n');
    await expect(pairsDataset(bareLines)).rejects.toThrow(/found a$/);
    const inside = await mkdtemp(join(folder, 'inside-'));
    await expect(pairsDataset(inside)).rejects.toThrow(/expected a table, got a folder\. Fix: .* has no \.csv/);
    await writeFile(join(inside, 'mine.csv'), '');
    await expect(pairsDataset(inside)).rejects.toThrow(
      `Fix: name the table inside it, such as ${join(inside, 'mine.csv')}`,
    );
  });
});
