import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readDelimited } from './table';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'medalign-'));
});
const read = async (text: string, delimiter?: string) => {
  const path = join(folder, 'a.csv');
  await writeFile(path, text);
  return readDelimited(path, delimiter);
};

describe('separators', () => {
  const rows = [
    { image: 'a.png', text: 'Small, left; round.' },
    { image: 'b.png', text: 'Clear.' },
  ];

  it('are taken from the header, and a note says which', async () => {
    const comma = await read('image,text\na.png,"Small, left; round."\nb.png,Clear.\n');
    expect(comma).toEqual({ columns: ['image', 'text'], rows, notes: [] });
    const semicolon = await read('\uFEFFimage;text\r\na.png;"Small, left; round."\r\nb.png;Clear.\r\n');
    expect(semicolon.rows).toEqual(rows);
    expect(semicolon.notes).toEqual(["The columns are separated by ';', not by a comma; read so."]);
    const tab = await read('image\ttext\na.png\t"Small, left; round."\nb.png\tClear.\n');
    expect(tab.rows).toEqual(rows);
    expect(tab.notes[0]).toMatch(/by a tab, not by a comma/);
    const wrongName = await read('image,text\na.png,"Small, left; round."\nb.png,Clear.\n', '\t');
    expect(wrongName.rows).toEqual(rows);
    expect(wrongName.notes[0]).toMatch(/by a comma, not by a tab/);
  });

  it('stay as they are where the header has the expected one', async () => {
    const { rows, notes } = await read('image,label;labels\na.png,x;y\n');
    expect([rows, notes]).toEqual([[{ image: 'a.png', 'label;labels': 'x;y' }], []]);
  });
});

describe('line ends', () => {
  it('may be mixed, in a quoted text too, or be those of an old Mac', async () => {
    const expected = [
      { a: '1', b: 'x' },
      { a: '2', b: 'y\r\nz\nw' },
      { a: '3', b: 'v' },
    ];
    expect((await read('a,b\r\n1,x\n2,"y\r\nz\nw"\r\n3,v\n')).rows).toEqual(expected);
    expect((await read('a,b\n1,x\r\n2,"y\r\nz\nw"\n3,v\r\n')).rows).toEqual(expected);
    expect((await read('a,b\r1,x\r')).rows).toEqual([{ a: '1', b: 'x' }]);
  });
});

describe('a row that cannot be read', () => {
  it('is named with its line and the fix', async () => {
    await expect(read('image,text,p\na,"x\ny",c\n\nd,Small, left,f,g\n')).rejects.toThrow(
      /a\.csv: not a table: row 2 \(line 5\): expected 3 columns, got 5\. Fix: a text with a comma must stand in quotes$/,
    );
    await expect(read('image;text\na;x;y\n')).rejects.toThrow(/row 1 \(line 2\): expected 2 .* a text with ';' must/);
    await expect(read('a,b\nc,d\ne,"f\ng,h\n')).rejects.toThrow(/row 2: a quote opens a text and none closes it/);
    await expect(read('a,b\nc,5" shadow\n')).rejects.toThrow(/row 1 \(line 2\): a quote in the middle of a text\. Fix/);
    await expect(read('a,b\nc,"5" shadow"\n')).rejects.toThrow(/row 1 \(line 2\): a quote in the middle of a text/);
  });
});
