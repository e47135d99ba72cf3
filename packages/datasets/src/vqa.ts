import { nearestName, readText } from './table';
import { DataError, type Dataset, type Sample } from './types';

/** A question about an image. `text` is the question, `id` the publisher's. */
export interface VqaSample extends Sample {
  question: string;
  /** As `normalizeAnswer` gives it; `meta.answer` is the publisher's. */
  answer: string;
  /** Closed: yes or no, or one of the choices in the question. */
  answerType: 'open' | 'closed';
  /** What is asked for, in the publisher's words: `PRES`, `Organ`, …; some questions have two. */
  questionTypes: string[];
  split: 'train' | 'validation' | 'test';
}

export interface VqaDataset extends Dataset {
  samples: VqaSample[];
}

/**
 * An answer as classes and comparisons need it: lower case, one space between words (tabs and line ends too), no full
 * stop, comma or semicolon at the end, numbers as text. Nothing else is touched: no stemming, no articles removed, no
 * number words changed.
 *
 * @example
 * normalizeAnswer(' Right\tlung. '); // "right lung"
 * normalizeAnswer(12); // "12"
 */
export function normalizeAnswer(answer: string | number): string {
  return String(answer)
    .normalize('NFKC')
    .toLowerCase()
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/[\s.,;]+$/, '');
}

export const oneLine = (text: unknown) => String(text).replace(/\s+/g, ' ').trim();

/** A JSON file with a list of objects that all have the named fields. */
export async function readRows(path: string, fields: readonly string[]): Promise<Record<string, unknown>[]> {
  let rows: unknown;
  try {
    rows = JSON.parse(await readText(path));
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${path}: not JSON: ${(error as Error).message}`);
  }
  if (!Array.isArray(rows)) throw new DataError(`${path}: expected a list of questions, got ${typeof rows}`);
  rows.forEach((row, i) => {
    const names = Object.keys(row ?? {});
    const missing = fields.find((name) => !names.includes(name));
    if (missing === undefined) return;
    const nearest = nearestName(missing, names);
    const hint = nearest === undefined ? '' : `. Nearest name: '${nearest}'`;
    throw new DataError(
      `${path}: question ${i + 1}: '${missing}' is missing; found ${names.join(', ') || 'none'}${hint}`,
    );
  });
  return rows;
}

/** @throws {DataError} for anything but OPEN and CLOSED, whatever the case and the spaces around it. */
export function answerTypeOf(value: unknown, where: string): 'open' | 'closed' {
  const name = oneLine(value).toLowerCase();
  if (name === 'open' || name === 'closed') return name;
  throw new DataError(`${where}: answer_type: expected OPEN or CLOSED, got '${value}'`);
}
