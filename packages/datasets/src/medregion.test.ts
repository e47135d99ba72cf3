import { execFileSync } from 'node:child_process';
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import schema from '../schema/medregion.schema.json';
import { main } from './command';
import {
  givenSplit,
  loadImage,
  type MedRegionSample,
  medRegion,
  medRegionModalities,
  phantomMedRegion,
  splitByPatient,
  splitNames,
  validateMedRegion,
  writeMedRegion,
} from './index';
import type { MedRegionRecord } from './medregion-record';

const phantom = phantomMedRegion({ seed: 2, patients: 24, size: 48 });
let root: string;
let clean: string;
let lines: string[];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'medalign-'));
  clean = join(root, 'clean');
  await writeMedRegion(clean, phantom.samples);
  lines = (await readFile(join(clean, 'records.jsonl'), 'utf8')).trimEnd().split('\n');
});

let folders = 0;
/** A copy of the clean folder with other records. */
async function folderOf(records: readonly string[], files: Record<string, string> = {}) {
  const folder = join(root, `set-${folders++}`);
  execFileSync('cp', ['-r', clean, folder]);
  await writeFile(join(folder, 'records.jsonl'), records.join('\n'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}
/** Records of findings and of normal images, to be spoiled. */
const finding = (i = 0) =>
  JSON.parse(lines.filter((line) => !line.includes('"report":"No Finding"'))[i]!) as MedRegionRecord;
const normal = () => JSON.parse(lines.find((line) => line.includes('"report":"No Finding"'))!) as MedRegionRecord;

describe('writeMedRegion and medRegion', () => {
  it('give back what was written: texts, regions, labels, and every pixel', async () => {
    const set = await medRegion(clean);
    expect(set.problems).toEqual([]);
    expect(set.counts).toEqual({ rows: phantom.samples.length, kept: phantom.samples.length, dropped: {} });
    for (const [i, { image, mask, ...rest }] of set.samples.entries()) {
      const { image: drawn, mask: drawnMask, ...wanted } = phantom.samples[i]!;
      expect(rest).toEqual(wanted);
      const { kind: _, ...pixels } = drawn as MedRegionSample['image'] & { kind: 'pixels' };
      const read = await loadImage(image);
      expect([read.width, read.height, read.channels]).toEqual([48, 48, pixels.channels]);
      expect(Buffer.from(read.data as Uint8Array).equals(pixels.data as Uint8Array)).toBe(true);
      expect(mask === undefined).toBe(drawnMask === undefined);
      if (mask) {
        const { data } = drawnMask as MedRegionSample['image'] & { kind: 'pixels' };
        expect(Buffer.from((await loadImage(mask)).data as Uint8Array).equals(data as Uint8Array)).toBe(true);
      }
    }
    // Once more from what was read: the files are copied, and the records are the same lines.
    const copy = join(root, 'copy');
    await writeMedRegion(copy, set.samples);
    expect(await readFile(join(copy, 'records.jsonl'), 'utf8')).toBe(
      await readFile(join(clean, 'records.jsonl'), 'utf8'),
    );
  });

  it('keep a split, which givenSplit takes; ids and 16-bit pixels of any kind survive', async () => {
    const split = splitByPatient(phantom);
    for (const name of splitNames) for (const sample of split[name]) sample.split = name;
    const folder = join(root, 'split');
    const odd = phantom.samples.map((sample) => ({ ...sample, id: `a/b, "${sample.id}"` }));
    const { width, height, channels, data } = phantom.samples[0]!.image as MedRegionSample['image'] & {
      kind: 'pixels';
    };
    odd[0]!.image = { kind: 'pixels', width, height, channels, data: Float32Array.from(data, (v) => v / 255) };
    await writeMedRegion(folder, odd);
    for (const sample of phantom.samples) delete sample.split;
    const set = await medRegion(folder);
    expect(set.samples.map(({ id }) => id)).toEqual(odd.map(({ id }) => id));
    const given = givenSplit(set);
    for (const name of splitNames) expect(given[name].length).toBe(split[name].length);
    expect(split.train.length / phantom.samples.length).toBeCloseTo(0.8, 1);
    const read = (await loadImage(set.samples[0]!.image)).data;
    expect(read).toBeInstanceOf(Float32Array);
    expect(Math.max(...Array.from(read, (v, i) => Math.abs(v - data[i]! / 255)))).toBeLessThan(1e-5);
    expect((await validateMedRegion(folder)).problems).toEqual([]);
  });

  it('writes whole folders or nothing', async () => {
    const before = await readdir(root);
    await expect(writeMedRegion(clean, phantom.samples)).rejects.toThrow(
      /expected no folder or an empty one, got 3 entries/,
    );
    const target = join(root, 'never');
    const gone = { ...phantom.samples[1]!, image: { kind: 'file' as const, path: join(root, 'gone.png') } };
    await expect(writeMedRegion(target, [phantom.samples[0]!, gone])).rejects.toThrow(/gone\.png/);
    const twice = [phantom.samples[0]!, phantom.samples[0]!];
    await expect(writeMedRegion(target, twice)).rejects.toThrow(/two samples have the id 'p00000-1'/);
    const dicom = { ...gone, image: { ...gone.image, dicom: {} } };
    await expect(writeMedRegion(target, [dicom])).rejects.toThrow(/DICOM options have no place/);
    const half = [{ ...phantom.samples[0]!, split: 'train' }, phantom.samples[1]!];
    await expect(writeMedRegion(target, half)).rejects.toThrow(/for all samples or for none, got 1 of 2 samples/);
    expect(await readdir(root)).toEqual(before);
  });

  it('takes another text, makes negatives for records without, and names a wrong option', async () => {
    const bare = lines.map((line) => JSON.stringify({ ...JSON.parse(line), negative_captions: undefined }));
    const folder = await folderOf(bare);
    const set = await medRegion(folder, { text: 'region', negatives: { count: 3, seed: 7 } });
    const findings = set.samples.filter(({ regionCaption }) => regionCaption !== 'No Finding');
    for (const sample of findings) {
      expect(sample.text).toBe(sample.regionCaption);
      expect(new Set([sample.regionCaption, ...sample.negativeCaptions]).size).toBe(4);
    }
    expect(set.options).toEqual({ text: 'region', negatives: { count: 3, seed: 7 } });
    expect(set.notes[0]).toBe(`${findings.length} records had no negative captions: they were generated (seed 7).`);
    expect(new Set(set.problems.map(({ kind }) => kind))).toEqual(new Set(['no negatives']));
    const without = await medRegion(folder, { negatives: false });
    expect(without.samples.every(({ negativeCaptions }) => negativeCaptions.length === 0)).toBe(true);
    await expect(medRegion(clean, { text: 'all' as never })).rejects.toThrow(
      /expected report, summary or region, got 'all'/,
    );
    await expect(medRegion(root)).rejects.toThrow(/expected a MedRegion folder with records.jsonl/);
  });
});

describe('validateMedRegion and medRegion on spoiled records', () => {
  const cases: [string, string, (r: MedRegionRecord) => unknown, RegExp][] = [
    ['error', 'not JSON', (r) => JSON.stringify(r).slice(0, 60), /expected a JSON object on one line/],
    ['error', 'not in the schema', () => 'null', /expected object, got null/],
    [
      'error',
      'not in the schema',
      (r) => ({ ...r, modality: 'skull' }),
      /modality: expected one of abdominal.*"skull"/,
    ],
    ['error', 'not in the schema', (r) => ({ ...r, patient_id: 7 }), /patient_id: expected string, got 7/],
    [
      'error',
      'not in the schema',
      (r) => ({ ...r, image: '../other.png' }),
      /image: expected a path inside the folder/,
    ],
    ['error', 'not in the schema', (r) => ({ ...r, image: '/etc/other.png' }), /image: expected a path inside/],
    [
      'error',
      'not in the schema',
      (r) => ({ ...r, rois: [{ ...r.rois![0]!, score: 2 }] }),
      /rois\[0\]\.score: expected <= 1/,
    ],
    [
      'error',
      'not in the schema',
      (r) => ({ ...r, rois: [{ x: 1, y: 2, width: 3, height: 4, score: 1 }] }),
      /rois\[0\]: expected 'source'/,
    ],
    ['error', 'caption missing', (r) => ({ ...r, report: undefined }), /expected 'report', got none/],
    [
      'error',
      'caption missing',
      (r) => ({ ...r, region_caption: '  ' }),
      /region_caption: expected a text that is not empty/,
    ],
    [
      'error',
      'caption missing',
      (r) => ({ ...r, negative_captions: ['', 'b', 'c', 'd', 'e'] }),
      /negative_captions\[0\]/,
    ],
    [
      'error',
      'No Finding mixed',
      (r) => ({ ...r, report: 'No finding.' }),
      /got it in report and not in summary_caption, region/,
    ],
    [
      'error',
      'wrong number of negatives',
      (r) => ({ ...r, negative_captions: ['a', 'b'] }),
      /expected 5 or none, got 2/,
    ],
    [
      'error',
      'wrong number of negatives',
      (r) => ({ ...r, negative_captions: [...'abcdef'] }),
      /expected 5 or none, got 6/,
    ],
    [
      'error',
      'negative equals truth',
      (r) => ({ ...r, negative_captions: [...'abcd', `${r.region_caption.toUpperCase()}!`] }),
      /negative_captions\[4\]: says what is true/,
    ],
    [
      'error',
      'negative equals truth',
      (r) => ({ ...r, rois: [{ ...r.rois![0]!, caption: 'A' }], negative_captions: [...'abcde'] }),
      /negative_captions\[0\]: says/,
    ],
    [
      'error',
      'negatives repeat',
      (r) => ({ ...r, negative_captions: ['a', 'b', 'c', 'A.', 'e'] }),
      /negative_captions\[3\]: repeats/,
    ],
    [
      'error',
      'box without area',
      (r) => ({ ...r, rois: [{ ...r.rois![0]!, width: 0 }] }),
      /rois\[0\]\.width: expected > 0, got 0/,
    ],
    [
      'error',
      'box outside the image',
      (r) => ({ ...r, rois: [{ ...r.rois![0]!, x: 40, width: 9 }] }),
      /inside 48 × 48, got x 40…49/,
    ],
    [
      'error',
      'box outside the image',
      (r) => ({ ...r, rois: [{ ...r.rois![0]!, y: -0.01 }] }),
      /rois\[0\]: expected a box inside/,
    ],
    ['error', 'image missing', (r) => ({ ...r, image: 'images/gone.png' }), /found none at images\/gone.png/],
    ['error', 'image missing', (r) => ({ ...r, image: 'images' }), /expected a file, found none at images/],
    ['error', 'mask unusable', (r) => ({ ...r, mask: 'gone.png' }), /mask: expected a file, found none at gone\.png/],
    ['error', 'mask unusable', (r) => ({ ...r, mask: 'other.png' }), /mask: expected 48 × 48 as the image, got 9 × 9/],
    [
      'error',
      'id already used',
      (r) => ({ ...r, id: JSON.parse(lines[0]!).id }),
      /'p00000-1' is already that of line 1/,
    ],
    ['warning', 'no region', (r) => ({ ...r, rois: [] }), /expected at least one for a finding, got none/],
    ['warning', 'no negatives', (r) => ({ ...r, negative_captions: [] }), /expected 5, got none/],
    [
      'warning',
      'summary not a sentence of 10 to 15 words',
      (r) => ({ ...r, summary_caption: 'Liver shows well-defined homogenous mass with slightly increased density.' }),
      /10 to 15 words, got 9 words/,
    ],
    [
      'warning',
      'summary not a sentence of 10 to 15 words',
      (r) => ({ ...r, summary_caption: 'This is a large mass here. It is in the upper left.' }),
      /got 12 words in 2 sentences/,
    ],
  ];

  it.each(cases)('%s: %s (%#)', async (level, kind, spoil, message) => {
    const spoiled = spoil({ ...finding(2), id: 'spoiled', patient_id: 'other' });
    const line = typeof spoiled === 'string' ? spoiled : JSON.stringify(spoiled);
    // In the middle of the file, with an empty line and Windows line ends around it.
    const folder = await folderOf([...lines.slice(0, 3), '', line, ...lines.slice(3, 5)].map((text) => `${text}\r`));
    await sharp({ create: { width: 9, height: 9, channels: 3, background: '#fff' } })
      .png()
      .toFile(join(folder, 'other.png'));
    const report = await validateMedRegion(folder);
    expect(report.problems.length, JSON.stringify(report.problems)).toBe(1);
    const [problem] = report.problems;
    expect(problem).toMatchObject({ level, kind, line: 5, file: 'records.jsonl' });
    expect(problem!.message).toMatch(message);
    if (line.includes('"id"') && kind !== 'not JSON') expect(problem!.id).toBe(JSON.parse(line).id);
    expect(report).toMatchObject({ records: 6, valid: level === 'error' ? 5 : 6, byKind: { [kind]: 1 } });
    const set = await medRegion(folder);
    expect(set.problems).toEqual(report.problems);
    expect(set.counts).toEqual({ rows: 6, kept: report.valid, dropped: level === 'error' ? { [kind]: 1 } : {} });
  });

  it('lists all problems of a record and of a file, not the first alone', async () => {
    const worst = {
      ...finding(0),
      id: 'worst',
      modality: 'x',
      report: '',
      rois: [{ x: 0, y: 0, width: 0, height: -1, source: 's', score: 1 }],
    };
    const far = { ...finding(1), id: 'far', image: 'images/none.png', negative_captions: [] };
    const { problems, errors, warnings } = await validateMedRegion(
      await folderOf([JSON.stringify(worst), JSON.stringify(far)]),
    );
    expect(problems.map(({ line, kind }) => `${line} ${kind}`).sort()).toEqual([
      '1 box without area',
      '1 box without area',
      '1 caption missing',
      '1 not in the schema',
      '2 image missing',
      '2 no negatives',
    ]);
    expect([errors, warnings]).toEqual([5, 1]);
  });

  it('finds images that cannot be decoded, which the reader leaves to the loader unless asked', async () => {
    const folder = await folderOf(lines.slice(0, 3));
    const { image, id } = JSON.parse(lines[1]!) as MedRegionRecord;
    const whole = await readFile(join(clean, image));
    await writeFile(join(folder, image), whole.subarray(0, whole.length - 300));
    const { problems } = await validateMedRegion(folder);
    expect(problems).toMatchObject([{ kind: 'image unreadable', line: 2, id }]);
    expect(problems[0]!.message).toContain(image);
    expect((await medRegion(folder)).counts.kept).toBe(3);
    expect((await medRegion(folder, { decode: true })).counts.dropped).toEqual({ 'image unreadable': 1 });
  });

  it('allows regions on a normal image and its negatives to say "No Finding", as the paper fills all fields', async () => {
    const box = { x: 1, y: 1, width: 5, height: 5, source: 'detector', score: 0.2 };
    const filled = {
      ...normal(),
      summary_caption: 'no finding.',
      negative_captions: Array(5).fill('No Finding'),
      rois: [box],
    };
    const folder = await folderOf([JSON.stringify(filled)]);
    const { samples, problems } = await medRegion(folder);
    expect(problems).toEqual([]);
    expect(samples[0]).toMatchObject({
      summaryCaption: 'No Finding',
      text: 'No Finding',
      negativeCaptions: [],
      rois: [box],
    });
    const wrong = { ...normal(), negative_captions: [...'abcde'] };
    expect((await validateMedRegion(await folderOf([JSON.stringify(wrong)]))).problems[0]!.message).toMatch(
      /expected none for "No Finding", got 5/,
    );
  });

  it('checks the split: patients in two parts, ids of one file alone, names of parts', async () => {
    const two = lines
      .map((line) => JSON.parse(line) as MedRegionRecord)
      .filter(({ patient_id }, _, all) => all.filter((r) => r.patient_id === patient_id).length === 2);
    const [a, b] = two as [MedRegionRecord, MedRegionRecord];
    const others = lines
      .slice(0, 6)
      .map((line) => JSON.parse(line) as MedRegionRecord)
      .filter(({ patient_id }) => patient_id !== a.patient_id);
    const [c, d, e] = others as [MedRegionRecord, MedRegionRecord, MedRegionRecord];
    const split = `id,split\n${a.id},train\n${b.id},test\n${c.id},dev\nghost,test\n${d.id},validation\n${d.id},test\n`;
    const folder = await folderOf(
      [a, b, c, d, e].map((r) => JSON.stringify(r)),
      { 'split.csv': split },
    );
    const { problems } = await validateMedRegion(folder);
    expect(problems.map(({ file, line, kind, id }) => `${file}:${line} ${kind}: ${id}`)).toEqual([
      `records.jsonl:2 patient in two parts: ${b.id}`,
      `records.jsonl:3 not in the split: ${c.id}`,
      `records.jsonl:5 not in the split: ${e.id}`,
      `split.csv:4 not in the split: ${c.id}`,
      'split.csv:5 not in the split: ghost',
      `split.csv:7 id already used: ${d.id}`,
    ]);
    expect(problems[0]!.message).toBe(`patient_id: '${a.patient_id}' is in test here, and in train in line 1`);
    const set = await medRegion(folder);
    expect(set.samples.map(({ split }) => split)).toEqual(['train', 'validation']);
    expect(set.counts.dropped).toEqual({ 'patient in two parts': 1, 'not in the split': 2 });
  });

  it('reads a byte order mark, a last line without an end, a separator inside a text, and more lines than one block', async () => {
    const odd = { ...finding(0), report: 'One line\u2028another\u0085one.' };
    const many = Array.from({ length: 300 }, (_, i) => JSON.stringify({ ...odd, id: `r${i}`, patient_id: `p${i}` }));
    const folder = await folderOf([`\uFEFF${many[0]}`, ...many.slice(1)]);
    const set = await medRegion(folder);
    expect(set.problems).toEqual([]);
    expect(set.samples.map(({ id }) => id)).toEqual(many.map((_, i) => `r${i}`));
    expect(set.samples[0]!.report).toBe(odd.report);
    await appendFile(join(folder, 'records.jsonl'), '\n{"id": "cut off');
    expect((await validateMedRegion(folder)).problems).toMatchObject([{ kind: 'not JSON', line: 301 }]);
  });

  it('says when nothing is left, and when the records are a Git-LFS pointer', async () => {
    await expect(medRegion(await folderOf(['{}', '[]']))).rejects.toThrow(
      /no row is left of 2 .*medalign-datasets validate/,
    );
    await expect(medRegion(await folderOf(['version https://git-lfs.github.com/spec/v1', 'oid']))).rejects.toThrow(
      /Git-LFS pointer/,
    );
  });

  it('has a schema with the modalities of the code, which refuses nothing that the writer writes', () => {
    expect(schema.properties.modality.enum).toEqual([...medRegionModalities]);
    expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(Object.keys(finding())));
  });
});

describe('medalign-datasets validate', () => {
  const run = async (...args: string[]) => {
    const [out, err]: [string[], string[]] = [[], []];
    const code = await main(args, { out: (text) => out.push(text), err: (text) => err.push(text) });
    return { code, out: out.join(''), err: err.join('') };
  };

  it('exits with 0 for a clean folder, 3 for problems, 0 for warnings alone, 2 for usage', async () => {
    const good = await run('validate', clean);
    expect(good).toMatchObject({ code: 0, err: '' });
    expect(good.out).toMatch(/^\d+ records, \d+ without errors; 0 errors, 0 warnings\n/);
    const bad = await folderOf([lines[0]!, '{', JSON.stringify({ ...finding(), id: 'x', rois: [] })]);
    const { code, out } = await run('validate', bad);
    expect(code).toBe(3);
    expect(out).toMatch(/^records\.jsonl:2: error: not JSON: expected a JSON object/);
    expect(out).toMatch(/records\.jsonl:3: warning: no region: x: rois: expected/);
    expect(out).toMatch(/3 records, 2 without errors; 1 error, 1 warning\n +1 {2}not JSON\n +1 {2}no region\n/);
    const warned = await folderOf([JSON.stringify({ ...finding(), rois: [] })]);
    expect((await run('validate', warned)).code).toBe(0);
    expect(await run('validate', join(root, 'nowhere'))).toMatchObject({ code: 3, out: '' });
    for (const args of [[], ['validate'], ['validate', clean, '--jsn'], ['check', clean]]) {
      const usage = await run(...args);
      expect(usage.code, args.join(' ')).toBe(2);
      expect(usage.err).not.toBe('');
    }
    expect(await run('--help')).toMatchObject({ code: 0, err: '' });
  });

  it('prints one JSON object with --json, and runs as a program', async () => {
    const bad = await folderOf([lines[0]!, '{']);
    const { code, out } = await run('validate', '--json', bad);
    expect(code).toBe(3);
    expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify(await validateMedRegion(bad))));
    const cli = fileURLToPath(new URL('cli.ts', import.meta.url));
    const node = (...args: string[]) => {
      try {
        return {
          status: 0,
          stdout: execFileSync(process.execPath, ['--import', 'tsx', cli, ...args], {
            encoding: 'utf8',
            stdio: 'pipe',
          }),
        };
      } catch (error) {
        return error as { status: number; stdout: string };
      }
    };
    expect(node('validate', '--json', bad)).toMatchObject({ status: 3, stdout: out });
    expect(node('validate', clean).status).toBe(0);
    expect(node('nonsense').status).toBe(2);
    await rm(root, { recursive: true });
  });
});
