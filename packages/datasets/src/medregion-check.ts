import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeImage, imageSize, isLfsPointer } from './decode';
import { boxProblems, type MedRegionRecord, type Problem, recordProblems } from './medregion-record';
import type { MedRegionProblem, MedRegionProblemKind } from './medregion-types';
import { type SplitName, splitNames } from './split';
import { mapLimited, readDelimited, requireColumns } from './table';
import { DataError } from './types';

/** A line of `records.jsonl` with everything that is wrong with it. */
export interface CheckedRecord {
  line: number;
  record?: MedRegionRecord;
  split?: SplitName;
  problems: MedRegionProblem[];
}

const warnings: readonly MedRegionProblemKind[] = [
  'no region',
  'no negatives',
  'summary not a sentence of 10 to 15 words',
];

/** Lines with their numbers, as they come: half a million records do not fit in one text. Only "\n" ends a line. */
async function* numberedLines(path: string): AsyncGenerator<{ line: number; text: string }> {
  let rest = '';
  let line = 0;
  const blank = (text: string) => text.trim() === '';
  for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: 2 ** 20 })) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop()!;
    for (const part of parts) {
      line++;
      const text = line === 1 ? part.replace(/^\uFEFF/, '') : part;
      if (!blank(text)) yield { line, text };
    }
  }
  if (!blank(rest)) yield { line: line + 1, text: line === 0 ? rest.replace(/^\uFEFF/, '') : rest };
}

/** Id → part and line of `split.csv`, and what is wrong in it; undefined without the file. */
async function readSplit(path: string) {
  if (!(await stat(path).catch(() => undefined))) return undefined;
  const { columns, rows } = await readDelimited(path);
  requireColumns(path, columns, ['id', 'split']);
  const partOf = new Map<string, { part: SplitName; line: number }>();
  const problems: MedRegionProblem[] = [];
  for (const [i, row] of (rows as Record<string, string>[]).entries()) {
    const id = row.id ?? '';
    const line = i + 2;
    const problem = (kind: MedRegionProblemKind, message: string) =>
      problems.push({ level: 'error', kind, file: 'split.csv', line, id, message });
    const part = splitNames.find((name) => name === row.split?.trim());
    const earlier = partOf.get(id);
    if (part === undefined)
      problem('not in the split', `split: expected ${splitNames.join(', ')}, got '${row.split ?? ''}'`);
    else if (earlier) problem('id already used', `id: expected each once, '${id}' is already in line ${earlier.line}`);
    else partOf.set(id, { part, line });
  }
  return { partOf, problems };
}

async function imageProblems(folder: string, record: MedRegionRecord, decode: boolean): Promise<Problem[]> {
  const problems: Problem[] = [];
  const sizeOf = async (field: 'image' | 'mask', path: string) => {
    const file = await stat(join(folder, path)).catch(() => undefined);
    try {
      if (file?.isFile()) return await (decode ? decodeImage : imageSize)(join(folder, path));
      const message = `${field}: expected a file, found none at ${path}`;
      problems.push({ kind: field === 'image' ? 'image missing' : 'mask unusable', message });
    } catch (error) {
      problems.push({
        kind: field === 'image' ? 'image unreadable' : 'mask unusable',
        message: (error as Error).message,
      });
    }
    return undefined;
  };
  const image = await sizeOf('image', record.image);
  if (image) problems.push(...boxProblems(record, image));
  const mask = record.mask === undefined ? undefined : await sizeOf('mask', record.mask);
  if (mask && image && (mask.width !== image.width || mask.height !== image.height)) {
    const message = `mask: expected ${image.width} × ${image.height} as the image, got ${mask.width} × ${mask.height}`;
    problems.push({ kind: 'mask unusable', message });
  }
  return problems;
}

/**
 * Reads a MedRegion folder record by record and says everything that is wrong: with a line, with a file it names, with
 * the lines before it, with the split. Nothing is thrown but for files that cannot be read at all.
 *
 * @param options `decode`: decode every image, instead of reading its size from its header.
 * @returns lines in order; at the end, one without a record for what is wrong in `split.csv` alone.
 */
export async function* checkedRecords(folder: string, { decode = false } = {}): AsyncGenerator<CheckedRecord> {
  const path = join(folder, 'records.jsonl');
  if (!(await stat(path).catch(() => undefined))?.isFile()) {
    throw new DataError(`${path}: expected a MedRegion folder with records.jsonl. Fix: name the folder that holds it`);
  }
  if (await isLfsPointer(path)) {
    throw new DataError(`${path}: this is a Git-LFS pointer, not the data. Fix: run \`git lfs pull\` at its source`);
  }
  const split = await readSplit(join(folder, 'split.csv'));
  const lineOf = new Map<string, number>();
  const partOf = new Map<string, { part: SplitName; line: number }>();

  const check = async ({ line, text }: { line: number; text: string }): Promise<CheckedRecord> => {
    const { record, id, problems: found } = await recordProblems(text);
    const problems: Problem[] = [...found];
    const earlier = id === undefined ? undefined : lineOf.get(id);
    if (earlier !== undefined)
      problems.push({ kind: 'id already used', message: `id: '${id}' is already that of line ${earlier}` });
    else if (id !== undefined) lineOf.set(id, line);
    const placed = record && split?.partOf.get(record.id)?.part;
    if (record && split && placed === undefined) {
      problems.push({ kind: 'not in the split', message: `id: '${record.id}' has no usable line in split.csv` });
    }
    if (record && placed) {
      const known = partOf.get(record.patient_id);
      if (known && known.part !== placed) {
        const message = `patient_id: '${record.patient_id}' is in ${placed} here, and in ${known.part} in line ${known.line}`;
        problems.push({ kind: 'patient in two parts', message });
      } else if (!known) partOf.set(record.patient_id, { part: placed, line });
    }
    const located = problems.map(({ kind, message }): MedRegionProblem => {
      const level = warnings.includes(kind) ? 'warning' : 'error';
      return { level, kind, file: 'records.jsonl', line, ...(id !== undefined && { id }), message };
    });
    return { line, record, split: placed, problems: located };
  };

  const finish = async (lines: { line: number; text: string }[]) => {
    const checked: CheckedRecord[] = [];
    for (const line of lines) checked.push(await check(line));
    const images = await mapLimited(
      checked,
      async ({ record }) => (record ? imageProblems(folder, record, decode) : []),
      16,
    );
    checked.forEach((entry, i) => {
      for (const problem of images[i]!) {
        entry.problems.push({
          level: 'error',
          file: 'records.jsonl',
          line: entry.line,
          id: entry.record!.id,
          ...problem,
        });
      }
    });
    return checked;
  };
  let lines: { line: number; text: string }[] = [];
  for await (const line of numberedLines(path)) {
    lines.push(line);
    if (lines.length < 256) continue;
    yield* await finish(lines);
    lines = [];
  }
  yield* await finish(lines);
  const unknown = [...(split?.partOf ?? [])].filter(([id]) => !lineOf.has(id));
  const alone = [
    ...(split?.problems ?? []),
    ...unknown.map(([id, { line }]): MedRegionProblem => {
      const message = `id: expected the id of a record, got '${id}', which records.jsonl does not have`;
      return { level: 'error', kind: 'not in the split', file: 'split.csv', line, id, message };
    }),
  ];
  if (alone.length > 0) yield { line: 0, problems: alone.sort((a, b) => a.line - b.line) };
}
