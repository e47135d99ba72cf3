import { CsvError } from 'csv-parse/sync';

const names: Record<string, string> = { ',': 'a comma', ';': "';'", '\t': 'a tab' };

/** What stands between the columns of the first line: what was expected if it is there, else what a spreadsheet may have written. */
export function separatorOf(text: string, expected: string): string {
  const header = /[^\r\n]+/.exec(text)?.[0] ?? '';
  return [expected, ',', ';', '\t'].find((separator) => header.includes(separator)) ?? expected;
}

/** Says that another separator than the expected one was found and used. */
export const separatorNote = (separator: string, expected: string): string[] =>
  separator === expected
    ? []
    : [`The columns are separated by ${names[separator]}, not by ${names[expected]}; read so.`];

/** What is wrong with the rows, in words about the file instead of about the parser. */
export function rowProblem(error: unknown, separator: string): string {
  if (!(error instanceof CsvError)) return (error as Error).message;
  const { code, message, records, lines, columns, record } = error;
  const where = `row ${Number(records) + 1} (line ${lines})`;
  const quotes = 'put the whole text in quotes, and double the quotes inside it: "a 5"" shadow"';
  switch (code) {
    case 'CSV_RECORD_INCONSISTENT_COLUMNS': {
      const counts = `expected ${(columns as unknown[]).length} columns, got ${(record as unknown[]).length}`;
      return `${where}: ${counts}. Fix: a text with ${names[separator]} must stand in quotes`;
    }
    case 'CSV_QUOTE_NOT_CLOSED':
      return `row ${Number(records) + 1}: a quote opens a text and none closes it. Fix: close it, or ${quotes}`;
    case 'CSV_INVALID_CLOSING_QUOTE':
    case 'INVALID_OPENING_QUOTE':
      return `${where}: a quote in the middle of a text. Fix: ${quotes}`;
    default:
      return message;
  }
}
