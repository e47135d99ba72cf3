import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from './types';
import { writeOverlay, writeReport } from './write';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'report-'));
});
afterAll(() => rm(folder, { recursive: true }));

const image = { data: new Uint8Array(16).fill(90), width: 4, height: 4 };
const map = { data: [0, 1, 2, 3], width: 2, height: 2 };
const box = { x: 1, y: 1, width: 2, height: 2, label: 'nodule' };
const date = new Date('2026-01-02T03:04:05Z');

const full = (text: string): Report => ({
  title: text,
  date,
  summary: text,
  highlights: [{ label: text, value: { value: 1.5, low: 1, high: 2 }, note: text }],
  curves: [
    {
      title: text,
      xLabel: text,
      yLabel: text,
      caption: text,
      marks: [{ x: 0, label: text }],
      series: [
        {
          name: text,
          points: [
            [0, 2],
            [1, 1],
          ],
        },
      ],
    },
  ],
  examples: [
    {
      title: text,
      overlays: [{ title: text, image, unit: text, map, range: [1, 2], ranking: [{ text, score: 0.5, right: true }] }],
    },
  ],
  tables: [
    {
      title: text,
      caption: text,
      columns: [text, { title: text, best: 'highest' }],
      rows: [
        [text, 1],
        [text, 2],
      ],
    },
  ],
  overlays: [
    { title: text, caption: text, image, map, boxes: [{ ...box, label: text }] },
    { title: text, caption: text, overlays: [{ title: text, image, map, colors: 'diverging' }] },
  ],
  refinement: [
    {
      title: text,
      caption: text,
      image,
      words: [text, 'lung'],
      boxes: [box],
      iterations: [
        { map, keywords: [true, true] },
        { map, keywords: [false, true] },
      ],
    },
  ],
  notes: [text],
  config: { [text]: { nested: text, list: [1, 2], empty: [] } },
  environment: { engine: text },
});

async function write(report: Report): Promise<string> {
  const path = join(folder, 'deep', 'report.html');
  await writeReport(path, report);
  return readFile(path, 'utf8');
}

/** Tag names and attributes that really are markup: what is left after quoted attribute values and text are gone. */
function tags(page: string): string[] {
  return (page.match(/<[a-z!/][^>"]*(?:"[^"]*"[^>"]*)*>/gi) ?? []).map((tag) => tag.replace(/"[^"]*"/g, '""'));
}

describe('writeReport', () => {
  it('escapes hostile text everywhere: the markup is the same as for harmless text', async () => {
    const hostile = `</title></svg><script>alert(1)</script><img src=x onerror=alert(1)>"' onload='x' &lt; ]]> \u0000`;
    const page = await write(full(hostile));
    expect(page).not.toMatch(/<script/i);
    expect(page).not.toMatch(/<img/i);
    expect(page).not.toContain('\u0000');
    // Cut labels depend on the text's length and spaces: the harmless twin has the same.
    expect(tags(page)).toEqual(tags(await write(full(hostile.replaceAll('\u0000', ' ').replace(/\S/g, 'x')))));
    expect(page).toContain('&lt;/title&gt;&lt;/svg&gt;&lt;script&gt;alert(1)&lt;/script&gt;');
  });

  it('needs nothing from outside', async () => {
    const page = await write(full('text'));
    expect(page.match(/(?:href|src)="([^"]{1,12})/g)!.every((link) => /="(#|data:image)/.test(link))).toBe(true);
    expect(page.replaceAll('http://www.w3.org/', '')).not.toMatch(/https?:/);
    expect(page).toContain(`default-src 'none'`);
  });

  it('is the same file for the same input', async () => {
    expect(await write(full('text'))).toBe(await write(full('text')));
  });

  it('has one title, headings in order, an alternative text for every picture, a caption for every table, unique ids', async () => {
    const page = await write(full('text'));
    expect(page.match(/<h1>/g)).toHaveLength(1);
    const levels = [...page.matchAll(/<h([1-6])/g)].map((match) => Number(match[1]));
    expect(levels.every((level, i) => i === 0 || level <= levels[i - 1]! + 1)).toBe(true);
    for (const svg of page.match(/<svg[^>]*>/g)!) expect(svg).toMatch(/aria-label="[^"]+"|aria-hidden="true"/);
    expect(page.match(/<caption>/g)!.length).toBe(page.match(/<table>/g)!.length);
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, target] of page.matchAll(/(?:href="#|url\(#)([^")]+)/g)) expect(ids).toContain(target);
  });

  it('labels every tick of an axis with a number of its own, however small', async () => {
    const points: [number, number][] = [
      [0, 0],
      [1, 0.002],
    ];
    const page = await write({
      title: 'rate',
      curves: [{ title: 'rate', xLabel: 'x', series: [{ name: 'r', points }] }],
    });
    const ticks = [...page.matchAll(/text-anchor="end"[^>]*>([^<]+)</g)].map(([, text]) => Number(text));
    expect(ticks).toContain(0.0015);
    expect(new Set(ticks).size).toBe(ticks.length);
  });

  it('names places without a distance, and draws an interval through each point', async () => {
    const points: [number, number, number, number][] = [
      [0, 0.2, 0.1, 0.3],
      [1, 0.6, 0.5, 0.8],
    ];
    const curve = { title: 'R@1', xLabel: '', xNames: ['before', 'joint stage'] };
    const chart = async (series: { name: string; points: readonly (readonly [number, number, number, number] | readonly [number, number | null])[] }[]) =>
      (await write({ title: 't', curves: [{ ...curve, series }] })).match(/<figure class="chart">.*?<\/figure>/s)![0]; // biome-ignore format: one signature
    const page = await chart([{ name: 'r', points }]);
    const texts = [...page.matchAll(/<text[^>]*>([^<]+)</g)].map(([, text]) => text);
    expect(texts).toEqual(expect.arrayContaining(['before', 'joint stage', '0.8']));
    // a line for the values, and one for each interval: upright, as long as the interval on the axis of the values
    const lines = (text: string) =>
      [...text.matchAll(/<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" fill="none" stroke="var\(--series-1\)"/g)].map(
        (match) => match.slice(1).map(Number) as [number, number, number, number],
      );
    const drawn = lines(page);
    expect(drawn.length).toBe(3);
    const [x0, y0, x1, y1] = drawn[0]!;
    const perUnit = (y0 - y1) / 0.4;
    expect(drawn[1]![0]).toBeCloseTo(x0, 1);
    expect(drawn[1]![2]).toBeCloseTo(x0, 1);
    expect(drawn[1]![1] - drawn[1]![3]).toBeCloseTo(0.2 * perUnit, 0);
    expect(drawn[2]![0]).toBeCloseTo(x1, 1);
    expect(drawn[2]![1] - drawn[2]![3]).toBeCloseTo(0.3 * perUnit, 0);
    // a gap is no missing number
    const gap = await chart([{ name: 'r', points: [points[0]!, [1, null]] }]);
    expect(lines(gap).length).toBe(1);
    expect(gap).not.toContain('not shown');
    await expect(chart([{ name: 'r', points: [[2, 1]] }])).rejects.toThrow(/x in 0…1, one per name, got 2/);
  });

  it('writes ranked texts with their places, right ones in words too, and says where a colour bar is cut', async () => {
    const ranking = [
      { text: 'first', score: 0.91, right: false },
      { text: 'second', score: 0.5, right: false },
      { text: 'own', score: 0.2, right: true, rank: 17 },
    ];
    const page = await write({
      title: 't',
      examples: [{ title: 'e', image, map, range: [1, 2], unit: '× even', ranking }],
    });
    const items = [
      ...page.matchAll(/<li class="(right|wrong)" value="(\d+)"><span class="score">([^<]*)<\/span>(.*?)<\/li>/gs),
    ];
    expect(items.map(([, kind, place, score]) => [kind, place, score])).toEqual([
      ['wrong', '1', '0.910'],
      ['wrong', '2', '0.500'],
      ['right', '17', '0.200'],
    ]);
    expect(items[2]![4]).toContain('own<span class="hidden"> (right)</span>');
    expect(page).toContain('<span>≤ 1.00 × even</span><span>≥ 2.00 × even</span>');
    expect(page).toContain('<h2>Examples</h2>');
    const whole = await write({ title: 't', examples: [{ title: 'e', image, map, range: [0, 3] }] });
    expect(whole).not.toMatch(/[≤≥]/);
  });

  it('stores a shared picture once', async () => {
    const page = await write({ title: 't', overlays: [1, 2, 3].map((i) => ({ title: `${i}`, image })) });
    expect(page.match(/data:image\/png/g)).toHaveLength(1);
    expect(page.match(/<use /g)).toHaveLength(3);
  });

  it('keeps large pictures small', async () => {
    const data = Float32Array.from({ length: 750 * 1000 }, (_, i) => (i * 2654435761) % 255);
    const page = await write({ title: 't', overlays: [{ title: 'film', image: { data, width: 750, height: 1000 } }] });
    const png = Buffer.from(page.match(/base64,([^"]+)/)![1]!, 'base64');
    expect(await sharp(png).metadata()).toMatchObject({ width: 384, height: 512 });
    expect(page).toContain('viewBox="0 0 750 1000"');
  });

  it('strikes out dropped words and counts kept ones', async () => {
    const page = await write(full('opacity'));
    expect(page).toContain('<s><span class="hidden">dropped: </span>opacity</s> <span class="kept">lung</span>');
    expect(page).toContain('keeps 2 of 2 words');
    expect(page).toContain('keeps 1 of 2 words');
  });

  it('leaves out empty parts', async () => {
    const page = await write({ title: 'nothing yet', curves: [], tables: [], config: {} });
    expect(page).not.toContain('<h2>');
  });

  it('names what it cannot show, and leaves no half file', async () => {
    const path = join(folder, 'broken', 'report.html');
    const wrong: [Partial<Report>, RegExp][] = [
      [
        { overlays: [{ title: 't', image: { ...image, width: 5 } }] },
        /overlays\[0\].overlays\[0\].image.data: expected 4 × 5 × 1 = 20/,
      ],
      [
        { overlays: [{ title: 't', image, boxes: [{ ...box, color: 'url(x)' }] }] },
        /boxes\[0\].color: expected a CSS colour/,
      ],
      [{ tables: [{ title: 't', columns: ['a'], rows: [['a', 1]] }] }, /tables\[0\].rows\[0\]: expected 1 cells/],
      [
        { refinement: [{ title: 't', image, words: ['a'], iterations: [{ map, keywords: [] }] }] },
        /keywords: expected 1 entries/,
      ],
      [{ curves: [{ title: 't', xLabel: 'x', series: [{ name: 'a', points: [[Number.NaN, 1]] }] }] }, /finite x/],
    ];
    for (const [part, message] of wrong)
      await expect(writeReport(path, { title: 't', ...part })).rejects.toThrow(message);
    await expect(readdir(join(folder, 'broken'))).rejects.toThrow(/ENOENT/);
    await writeReport(path, { title: 't' });
    expect(await readdir(join(folder, 'broken'))).toEqual(['report.html']);
  });
});

describe('writeOverlay', () => {
  it('writes one PNG with the map over the image and the box on top', async () => {
    const path = join(folder, 'overlays', '1.png');
    await writeOverlay(path, { image, map, boxes: [{ ...box, label: '', color: '#ff0000' }], longestSide: 200 });
    const { data, info } = await sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: 200, height: 200, channels: 3 });
    const at = (x: number, y: number) => [...data.subarray((y * 200 + x) * 3, (y * 200 + x) * 3 + 3)];
    // Top left: map at its minimum, the grey image shines through; bottom right: maximum, nearly the yellow end.
    expect(Math.max(...at(2, 2).map((value) => Math.abs(value - 90)))).toBeLessThan(8);
    expect(at(198, 198)[0]).toBeGreaterThan(190);
    expect(at(50, 100)[0]! - at(50, 100)[1]!).toBeGreaterThan(150);
  });
  it('works without map and boxes', async () => {
    const path = join(folder, 'overlays', '2.png');
    await writeOverlay(path, { image, longestSide: 40 });
    expect(await sharp(path).metadata()).toMatchObject({ width: 40, height: 40 });
  });
});
