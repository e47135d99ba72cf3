import { readdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { distance } from 'fastest-levenshtein';
import { isLfsPointer } from './decode';
import { rowProblem, separatorNote, separatorOf } from './delimited';
import { decodeText } from './encoding';
import { DataError } from './types';

/** Rows of a table as texts by column name, and the columns in the file's order. */
export interface Table {
  columns: string[];
  rows: Record<string, unknown>[];
  /** How it was read, where that is not as the name of the file says. */
  notes: string[];
}

/** Reads a text file, unpacked if its name ends in `.gz`; says so if it is missing, a Git-LFS pointer or not UTF-8. */
export async function readText(path: string): Promise<string> {
  try {
    if (await isLfsPointer(path)) {
      throw new DataError(`${path}: this is a Git-LFS pointer, not the data. Fix: run \`git lfs pull\` at its source`);
    }
    const bytes = await readFile(path);
    return decodeText(path, path.endsWith('.gz') ? await promisify(gunzip)(bytes) : bytes);
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${path}: cannot read the file: ${(error as Error).message}`);
  }
}

/**
 * Reads CSV or TSV with a header line. Columns without a name (a trailing comma) are left out.
 *
 * A header without the delimiter, but with another (a spreadsheet may write `;`), says how the file is read, and a note says so.
 */
export async function readDelimited(path: string, delimiter = ','): Promise<Table> {
  const text = await readText(path);
  const separator = separatorOf(text, delimiter);
  let columns: string[] = [];
  try {
    const rows = parse(text, {
      bom: true,
      delimiter: separator,
      // Both, because a file put together from two may have both.
      record_delimiter: text.includes('\n') ? ['\r\n', '\n'] : '\r',
      skip_empty_lines: true,
      relax_column_count_less: true,
      // TSV files quote nothing: an inch sign in a caption must not open a quoted field.
      quote: delimiter === '\t' && separator === '\t' ? null : '"',
      columns: (header: string[]) => {
        columns = header.map((name) => name.trim());
        return columns.map((name) => (name === '' ? false : name));
      },
    }) as Record<string, string>[];
    return { columns: columns.filter(Boolean), rows, notes: separatorNote(separator, delimiter) };
  } catch (error) {
    throw new DataError(`${path}: not a table: ${rowProblem(error, separator)}`);
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
    notes: [],
  };
}

/** The name most like the one that was wanted, ignoring case and punctuation; none if all are far off. */
export function nearestName(wanted: string, names: readonly string[]): string | undefined {
  const plain = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, '');
  const near = names.flatMap((name) => {
    const [a, b] = [plain(wanted), plain(name)];
    const shorter = Math.min(a.length, b.length);
    const score = distance(a, b);
    // Half of a short name, two letters of a longer one, a third of a long one.
    return score <= Math.max(Math.min(2, shorter / 2), shorter / 3) ? [{ name, score }] : [];
  });
  return near.sort((a, b) => a.score - b.score)[0]?.name;
}

/**
 * @param firstLine whether the names come from a first line, which may not be the header.
 * @throws {DataError} naming the file, the column, what was expected and the nearest name found.
 */
export function requireColumns(
  path: string,
  columns: readonly string[],
  required: readonly string[],
  { firstLine = true }: { firstLine?: boolean } = {},
): void {
  const missing = required.find((name) => !columns.includes(name));
  if (missing === undefined) return;
  const nearest = nearestName(missing, columns);
  const none = !required.some((name) => columns.includes(name) || nearestName(name, columns) !== undefined);
  const header = none && firstLine ? '. Is the first line the header?' : '';
  throw new DataError(
    `${path}: column '${missing}' is missing; expected ${required.join(', ')}; found ${columns.join(', ') || 'none'}` +
      `${nearest === undefined ? header : `. Nearest name: '${nearest}'`}`,
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
