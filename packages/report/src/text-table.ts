import { ReportError } from './checks';

/**
 * A table as plain text, for a terminal: columns padded to their widest cell, the first left-aligned, the others right-aligned.
 *
 * @param head titles of the columns.
 * @param rows cells, as they shall be shown; as many in each row as there are titles.
 * @returns lines without a last line end.
 * @throws {ReportError} naming a row with another number of cells.
 * @example
 * textTable(['metric', 'value'], [['Recall@1', '0.5']]).split('\n').length; // 3
 */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const odd = rows.findIndex((row) => row.length !== head.length);
  if (odd >= 0) throw new ReportError(`rows[${odd}]: expected ${head.length} cells, got ${rows[odd]!.length}`);
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  return [line(head), widths.map((width) => '─'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}
