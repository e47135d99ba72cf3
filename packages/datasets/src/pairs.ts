import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { dirname, extname, isAbsolute, join } from 'node:path';
import { isLfsPointer, refuseLfsPointer } from './decode';
import { lostLettersNote } from './encoding';
import { dropCounter, nearestName, readDelimited, readText, requireColumns, type Table } from './table';
import { type Box, DataError, type Dataset, type Finding, type Sample } from './types';

/** Options of {@link pairsDataset}. */
export interface PairsOptions {
  /** By default from the file's name: `.csv`, `.tsv`, `.jsonl`, `.parquet`. */
  format?: 'csv' | 'tsv' | 'jsonl' | 'parquet';
  /** Where relative image paths start; by default the folder of the file. */
  imageFolder?: string;
  /** What the file calls the columns, where it differs: `{ text: 'caption' }`. */
  columns?: Partial<Record<PairColumn, string>>;
  /** Leave out rows whose image file is missing, instead of failing. */
  allowMissingImages?: boolean;
}

const pairColumns = ['image', 'text', 'label', 'split', 'patient', 'boxes', 'id'] as const;
/** A column that {@link pairsDataset} knows; `columns` gives it another name. */
export type PairColumn = (typeof pairColumns)[number];

async function readJsonLines(path: string): Promise<Table> {
  const columns = new Set<string>();
  const rows = (await readText(path)).split(/\r?\n/).flatMap((line, i) => {
    if (line.trim() === '') return [];
    let row: unknown;
    try {
      row = JSON.parse(line);
    } catch (error) {
      throw new DataError(`${path}: line ${i + 1}: not JSON: ${(error as Error).message}`);
    }
    if (typeof row !== 'object' || row === null || Array.isArray(row)) {
      throw new DataError(`${path}: line ${i + 1}: expected an object such as {"image": …, "text": …}`);
    }
    for (const name of Object.keys(row)) columns.add(name);
    return [row as Record<string, unknown>];
  });
  return { columns: [...columns], rows, notes: [] };
}

async function readParquet(path: string): Promise<Table> {
  if (await isLfsPointer(path).catch(() => false)) await readText(path);
  const { asyncBufferFromFile, parquetReadObjects } = await import('hyparquet');
  try {
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(path) });
    return { columns: Object.keys(rows[0] ?? {}), rows, notes: [] };
  } catch (error) {
    throw new DataError(`${path}: cannot read the Parquet file: ${(error as Error).message}`);
  }
}

/** `[[x, y, w, h], …]`, `[{x, y, width, height, phrase?, category?}, …]`, or either as JSON text. */
function readBoxes(value: unknown, text: string, label: string, where: string): Finding[] | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  let list = value;
  if (typeof value === 'string') {
    try {
      list = JSON.parse(value);
    } catch (error) {
      throw new DataError(`${where}: boxes: not JSON: ${(error as Error).message}`);
    }
  }
  const wanted = 'expected [[x, y, width, height], …] or [{"x", "y", "width", "height", "phrase"?}, …] in pixels';
  if (!Array.isArray(list)) throw new DataError(`${where}: boxes: ${wanted}, got ${JSON.stringify(list)}`);
  return list.map((entry): Finding => {
    const named = Array.isArray(entry) ? {} : (entry as { phrase?: string; category?: string });
    const [x, y, width, height] = (
      Array.isArray(entry) ? entry : [entry?.x, entry?.y, entry?.width, entry?.height]
    ).map(Number);
    const box = { x, y, width, height } as Box;
    if (!Object.values(box).every(Number.isFinite) || box.width <= 0 || box.height <= 0) {
      throw new DataError(`${where}: boxes: ${wanted}, got ${JSON.stringify(entry)}`);
    }
    return { category: named.category ?? label, phrase: named.phrase ?? text, box, boxes: [box] };
  });
}

/** `pneumonia;edema` or a list → 1 for each; `{"edema": 0}` as it is. */
function readLabels(value: unknown): Record<string, number> | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'object' && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, v]) => [name, Number(v)]));
  }
  const names = Array.isArray(value) ? value.map(String) : String(value).split(/[;|]/);
  return Object.fromEntries(names.map((name) => [name.trim(), 1] as const).filter(([name]) => name !== ''));
}

/** What came instead of a table, with the tables inside if it is a folder. */
async function notATable(path: string, format: string): Promise<string> {
  const inside = await readdir(path).catch(() => undefined);
  if (!inside)
    return `${path}: expected a .csv, .tsv, .jsonl or .parquet file, got '${format}'. Fix: rename it, or set \`format\``;
  const tables = inside.filter((name) => /\.(csv|tsv|jsonl|parquet)$/i.test(name)).sort();
  const fix =
    tables.length === 0
      ? 'name the table; this folder has no .csv, .tsv, .jsonl or .parquet file'
      : `name the table inside it, such as ${join(path, tables[0]!)}`;
  return `${path}: expected a table, got a folder. Fix: ${fix}`;
}

/** Names the columns that nothing uses, each with the known column that it may have been meant to be. */
function unusedNotes(columns: readonly string[], known: readonly string[]): string[] {
  const free = known.filter((name) => !columns.includes(name));
  const unused = columns.filter((name) => !known.includes(name));
  const meant = unused.filter((name) => nearestName(name, free) !== undefined);
  const others = unused.filter((name) => !meant.includes(name));
  return [
    ...meant.map((name) => `Column '${name}' is not used; did you mean '${nearestName(name, free)}'?`),
    ...(others.length ? [`Columns that are not used: ${others.join(', ')}.`] : []),
  ];
}

/**
 * Your own image–text pairs: a table with a row per image in CSV, TSV, JSON Lines or Parquet.
 *
 * Columns: `image` (path, relative to the table) and `text`; and, where present, `label` (several separated by `;`),
 * `split`, `patient` (without it, each image counts as a patient of its own), `boxes` (JSON, in pixels:
 * `[[x, y, width, height]]` or objects with a `phrase`), `id`. Rows without text are left out and counted; columns that
 * nothing uses are named in the notes. Text is UTF-8; columns of CSV may be separated by `;` or tabs, and a note says so.
 *
 * @param path the table.
 * @param options `format` from the name; `imageFolder` the table's folder; `columns` other names;
 * `allowMissingImages` false.
 * @throws {DataError} naming the file, the row and what is wrong: a missing column with the nearest name found, a
 * missing image, a broken box, two rows with one id, the first line that is not UTF-8.
 * @example
 * const { mkdtemp, writeFile } = await import('node:fs/promises');
 * const folder = await mkdtemp(`${(await import('node:os')).tmpdir()}/pairs-`);
 * await writeFile(`${folder}/a.png`, '');
 * await writeFile(`${folder}/pairs.csv`, 'image,text,label\na.png,Clear lungs.,normal\n');
 * const { samples } = await pairsDataset(`${folder}/pairs.csv`);
 * samples[0].text; // "Clear lungs."
 * samples[0].labels; // {"normal": 1}
 */
export async function pairsDataset(path: string, options: PairsOptions = {}): Promise<Dataset> {
  const { imageFolder = dirname(path), columns = {}, allowMissingImages = false } = options;
  const format = options.format ?? extname(path).slice(1).toLowerCase();
  const readers: Record<string, () => Promise<Table>> = {
    csv: () => readDelimited(path),
    tsv: () => readDelimited(path, '\t'),
    jsonl: () => readJsonLines(path),
    parquet: () => readParquet(path),
  };
  const reader = readers[format];
  if (!reader) throw new DataError(await notATable(path, format));
  const table = await reader();
  const nameOf = (column: PairColumn) => columns[column] ?? column;
  // A column renamed by the caller must be there; the others are optional except for the pair itself.
  const required = pairColumns.filter((c) => c === 'image' || c === 'text' || columns[c] !== undefined);
  requireColumns(path, table.columns, required.map(nameOf), { firstLine: format === 'csv' || format === 'tsv' });

  const { dropped, drop } = dropCounter();
  const samples: Sample[] = [];
  const rowOf = new Map<string, number>();
  for (const [i, row] of table.rows.entries()) {
    const where = `${path}: row ${i + 1}`;
    const cell = (column: PairColumn) => row[nameOf(column)] ?? undefined;
    const words = (column: PairColumn) => String(cell(column) ?? '').trim();
    const [image, text] = [words('image'), words('text')];
    if (image === '' || text === '') {
      drop(image === '' ? 'no image' : 'no text');
      continue;
    }
    const file = isAbsolute(image) ? image : join(imageFolder, image);
    const found = await stat(file).catch(() => undefined);
    if (!found?.isFile()) {
      if (!allowMissingImages)
        throw new DataError(
          `${where}: image file not found: ${file}. Fix: correct or remove the row, say where the images are (\`imageFolder\`), or leave such rows out (\`allowMissingImages\`)`,
        );
      drop('image file missing');
      continue;
    }
    // Several captions of one image are several pairs, so the text is part of the name.
    const id = words('id') || `${image}#${createHash('sha256').update(text).digest('hex').slice(0, 8)}`;
    const earlier = rowOf.get(id);
    if (earlier !== undefined) {
      if (words('id') !== '') throw new DataError(`${where}: id '${id}' is already that of row ${earlier + 1}`);
      drop('pair already in an earlier row');
      continue;
    }
    rowOf.set(id, i);
    samples.push({
      id,
      patientId: words('patient') || image,
      image: { kind: 'file', path: file },
      text,
      labels: readLabels(cell('label')),
      findings: readBoxes(cell('boxes'), text, words('label'), where),
      split: words('split') || undefined,
      meta: Object.fromEntries(Object.entries(row).filter(([name]) => !pairColumns.some((c) => nameOf(c) === name))),
    });
  }
  if (samples.length === 0)
    throw new DataError(`${path}: none of the ${table.rows.length} rows has an image and a text`);
  const first = samples[0]!.image as { path: string };
  await refuseLfsPointer(first.path);
  const notes = table.columns.includes(nameOf('patient'))
    ? []
    : ['No patient column: each image counts as a patient of its own, so a split may separate images of one patient.'];
  notes.push(...table.notes, ...lostLettersNote(table.rows), ...unusedNotes(table.columns, pairColumns.map(nameOf)));
  return {
    name: path.split(/[\\/]/).at(-1)!,
    samples,
    counts: { rows: table.rows.length, kept: samples.length, dropped },
    notes,
  };
}
