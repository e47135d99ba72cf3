import { describe, expect, it } from 'vitest';
import { decodeText, lostLettersNote } from './encoding';

describe('decodeText', () => {
  const text = 'image,text\na.png,Opacité à droite.\n';

  it('reads UTF-8 with and without a byte order mark, and UTF-16 with one', () => {
    const big = Buffer.from(`\uFEFF${text}`, 'utf16le').swap16();
    const files = [Buffer.from(text), Buffer.from(`\uFEFF${text}`), Buffer.from(`\uFEFF${text}`, 'utf16le'), big];
    expect(files.map((bytes) => decodeText('a.csv', bytes))).toEqual(files.map(() => text));
    expect(decodeText('a.csv', Buffer.from(''))).toBe('');
  });

  it('names the first line that is not UTF-8, and the fix', () => {
    const latin = (lines: string) => () => decodeText('a.csv', Buffer.from(lines, 'latin1'));
    const message = 'line 2 is not UTF-8. Fix: save it as UTF-8 (in a spreadsheet: "CSV UTF-8")';
    expect(latin(text)).toThrow(`a.csv: ${message}`);
    expect(latin('image,text\r\na,Clear.\r\nb,Opacité')).toThrow(/line 3 is not/);
    expect(latin('é')).toThrow(/line 1 is not/);
  });

  it('says that a file without a mark may be UTF-16', () => {
    expect(() => decodeText('a.csv', Buffer.from('image,text\n', 'utf16le'))).toThrow(
      /a\.csv: .*NUL bytes, as UTF-16.*Fix: save it as UTF-8/,
    );
    expect(() => decodeText('a.csv', Buffer.from([0xff, 0xfe, 65]))).toThrow(/begins as UTF-16, and is not\. Fix/);
  });
});

describe('lostLettersNote', () => {
  it('counts rows', () => {
    const rows = [{ a: 'Opacit\uFFFD', b: '\uFFFD' }, { a: 'Clear', b: 1 }, { a: 'n\uFFFD' }];
    expect(lostLettersNote(rows)).toEqual([expect.stringMatching(/^2 rows have U\+FFFD/)]);
    expect(lostLettersNote(rows.slice(1, 2))).toEqual([]);
  });
});
