import { readdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { isLfsPointer } from './decode';
import { DataError } from './types';

/** Rows of a table as texts by column name, and the columns in the file's order. */
export interface Table {
  columns: string[];
  rows: Record<string, unknown>[];
}

/** Reads a text file, unpacked if its name ends in `.gz`; says so if it is missing or a Git-LFS pointer. */
export async function readText(path: string): Promise<string> {
  try {
    if (await isLfsPointer(path)) {
      throw new DataError(`${path}: this is a Git-LFS pointer, not the data. Fix: run \`git lfs pull\` at its source`);
    }
    if (!path.endsWith('.gz')) return await readFile(path, 'utf8');
    return (await promisify(gunzip)(await readFile(path))).toString('utf8');
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${path}: cannot read the file: ${(error as Error).message}`);
  }
}

/** Reads CSV or TSV with a header line. Columns without a name (a trailing comma) are left out. */
export async function readDelimited(path: string, delimiter = ','): Promise<Table> {
  const text = await readText(path);
  let columns: string[] = [];
  try {
    const rows = parse(text, {
      bom: true,
      delimiter,
      skip_empty_lines: true,
      relax_column_count_less: true,
      // TSV files quote nothing: an inch sign in a caption must not open a quoted field.
      quote: delimiter === '\t' ? null : '"',
      columns: (header: string[]) => {
        columns = header.map((name) => name.trim());
        return columns.map((name) => (name === '' ? false : name));
      },
    }) as Record<string, string>[];
    return { columns: columns.filter(Boolean), rows };
  } catch (error) {
    throw new DataError(`${path}: not a table: ${(error as Error).message}`);
  }
}

/** Reads the first sheet of an xlsx file, its first row as the header. */
export async function readSpreadsheet(path: string): Promise<Table> {
  if (await isLfsPointer(path).catch(() => false)) await readText(path);
  const { readSheet } = await import('read-excel-file/node');
  let cells: unknown[][];
  try {
    cells = await readSheet(path);
  } catch (error) {
    throw new DataError(`${path}: cannot read the spreadsheet: ${(error as Error).message}`);
  }
  const [header = [], ...rows] = cells;
  const columns = header.map((name) => String(name ?? '').trim());
  return {
    columns: columns.filter(Boolean),
    rows: rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i] ?? '']))),
  };
}

/** Letters to change, insert or drop to turn one name into the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

/** The name most like the one that was wanted, ignoring case and punctuation. */
export function nearestName(wanted: string, names: readonly string[]): string | undefined {
  const plain = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, '');
  const scored = names.map((name) => ({ name, score: distance(plain(wanted), plain(name)) }));
  return scored.sort((a, b) => a.score - b.score)[0]?.name;
}

/** @throws {DataError} naming the file, the column, what was expected and the nearest name found. */
export function requireColumns(path: string, columns: readonly string[], required: readonly string[]): void {
  const missing = required.find((name) => !columns.includes(name));
  if (missing === undefined) return;
  const nearest = nearestName(missing, columns);
  throw new DataError(
    `${path}: column '${missing}' is missing; expected ${required.join(', ')}; found ${columns.join(', ') || 'none'}` +
      `${nearest === undefined ? '' : `. Nearest name: '${nearest}'`}`,
  );
}

/** Counts rows left out, by reason. */
export function dropCounter() {
  const dropped: Record<string, number> = {};
  return {
    dropped,
    drop: (reason: string) => {
      dropped[reason] = (dropped[reason] ?? 0) + 1;
    },
  };
}

/** Tells whether files are there, reading each folder once. */
export class FileLookup {
  private readonly folders = new Map<string, Promise<Set<string>>>();

  async has(path: string): Promise<boolean> {
    const folder = dirname(path);
    let names = this.folders.get(folder);
    if (!names) {
      names = readdir(folder).then(
        (list) => new Set(list),
        () => new Set<string>(),
      );
      this.folders.set(folder, names);
    }
    return (await names).has(path.slice(folder.length + 1));
  }
}

/** Asks for all items, some at a time, and keeps their order: a quarter of a million open files are too many. */
export async function mapLimited<T, R>(items: readonly T[], work: (item: T) => Promise<R>, limit = 64): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const i = next++;
      results[i] = await work(items[i]!);
    }
  };
  await Promise.all(Array.from({ length: limit }, worker));
  return results;
}

/** @throws {DataError} if every row was left out, with the reasons. */
export function requireRows(
  path: string,
  rows: number,
  kept: number,
  dropped: Record<string, number>,
  fix: string,
): void {
  if (kept > 0) return;
  const why = Object.entries(dropped).map(([reason, count]) => `${reason}: ${count}`);
  throw new DataError(`${path}: no row is left of ${rows} (${why.join(', ')}). Fix: ${fix}`);
}

/** A published count beside the one that was found; empty if they are the same. */
export function countNote(what: string, published: number, found: number): string[] {
  return published === found ? [] : [`${what}: ${published} are published, this copy has ${found}.`];
}
