import { type OverlayGroup, type ReportTable, textTable } from '@medalign/report';

/** A number of a table: alone, with its 95 % interval, or with the spread it is the mean of. */
export type Cell =
  | string
  | number
  | null
  | { value: number | null; low: number | null; high: number | null }
  | { mean: number | null; std: number | null };

/** One table in the form of the paper's. `percent`: shares are printed as the paper prints them; cells stay shares. */
export interface ResultTable {
  title: string;
  /** Which variants the numbers are, and on what. */
  caption: string;
  columns: readonly string[];
  rows: readonly (readonly Cell[])[];
  /** Columns of whole numbers. */
  counts?: readonly string[];
  percent?: boolean;
}

/** What an evaluation gives. */
export interface TaskResult {
  tables: ResultTable[];
  notes: string[];
  /** Further facts for result.json: chosen ids, thresholds, prompts. */
  details: Record<string, unknown>;
  /** Maps over images, for tasks that have any. */
  pictures?: OverlayGroup[];
  /** Weights of a head that was trained for this, by name. */
  weights?: Map<string, { shape: number[]; data: Float32Array }>;
}

/** The tables as text, each under its title and over its caption. */
export function resultText(tables: readonly ResultTable[], notes: readonly string[]): string {
  const blocks = tables.map((table) =>
    [table.title, textTable(table.columns, texts(table)), ...wrap(table.caption)].join('\n'),
  );
  return [...blocks, ...(notes.length ? [notes.map((note) => `! ${note}`).join('\n')] : [])].join('\n\n');
}

/** The same for the HTML report. */
export function reportTable(table: ResultTable): ReportTable {
  const { title, caption, columns } = table;
  return { title, caption, columns, rows: texts(table) };
}

function texts({ columns, rows, counts = [], percent = false }: ResultTable): string[][] {
  return rows.map((row) =>
    row.map((cell, c) => cellText(cell, counts.includes(columns[c]!) ? 'count' : percent ? 'percent' : 'plain')),
  );
}

function cellText(cell: Cell, style: 'count' | 'percent' | 'plain'): string {
  const number = (value: number | null) => {
    if (value === null) return '–';
    if (style === 'count') return value.toFixed(0);
    return style === 'percent' ? (100 * value).toFixed(2) : value.toFixed(3);
  };
  if (typeof cell === 'string') return cell;
  if (cell === null || typeof cell === 'number') return number(cell);
  if ('mean' in cell) return cell.mean === null ? '–' : `${number(cell.mean)} ± ${number(cell.std)}`;
  return cell.value === null ? '–' : `${number(cell.value)} [${number(cell.low)}, ${number(cell.high)}]`;
}

/** Lines of at most 110 characters. */
function wrap(text: string): string[] {
  const lines: string[] = [''];
  for (const word of text.split(/\s+/)) {
    if (lines.at(-1)!.length + word.length >= 110) lines.push('');
    lines[lines.length - 1] = `${lines.at(-1)} ${word}`.trimStart();
  }
  return lines;
}
