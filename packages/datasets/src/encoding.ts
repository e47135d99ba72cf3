import { isUtf8 } from 'node:buffer';
import { DataError } from './types';

/**
 * The text of a file's bytes: UTF-8, or UTF-16 where a byte order mark says so.
 *
 * @throws {DataError} naming the file and the first line that is not UTF-8: read all the same, its letters would be lost.
 */
export function decodeText(path: string, bytes: Uint8Array): string {
  const mark = `${bytes[0]?.toString(16)} ${bytes[1]?.toString(16)}`;
  const encoding = mark === 'ff fe' ? 'utf-16le' : mark === 'fe ff' ? 'utf-16be' : 'utf-8';
  const fix = 'Fix: save it as UTF-8 (in a spreadsheet: "CSV UTF-8")';
  let text: string;
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    const what = encoding === 'utf-8' ? `line ${firstBadLine(bytes)} is not UTF-8` : 'it begins as UTF-16, and is not';
    throw new DataError(`${path}: ${what}. ${fix}`);
  }
  if (text.includes('\0')) throw new DataError(`${path}: not UTF-8: it has NUL bytes, as UTF-16 has. ${fix}`);
  return text;
}

/** Counted from 1. */
function firstBadLine(bytes: Uint8Array): number {
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const feed = bytes.indexOf(10, start);
    const end = feed < 0 ? bytes.length : feed;
    if (!isUtf8(bytes.subarray(start, end))) break;
    start = end + 1;
  }
  return line;
}

/** Says in how many rows letters were lost before the file was written: U+FFFD, the mark for that, stands in their place. */
export function lostLettersNote(rows: readonly Record<string, unknown>[]): string[] {
  const lost = rows.filter((row) => Object.values(row).some((cell) => String(cell).includes('\uFFFD'))).length;
  return lost === 0 ? [] : [`${lost} rows have U+FFFD (\uFFFD) in place of letters that were lost before.`];
}
