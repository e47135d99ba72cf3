import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DataError } from './errors';

/** One line of a metrics file. */
export type MetricsLine = { step: number; epoch?: number; seconds: number } & Record<string, unknown>;

const nonFinite = ['NaN', 'Infinity', '-Infinity'];

/**
 * Metrics as JSON lines: one object per line, appended and on disk when `write` returns.
 *
 * Each line holds `step`, `seconds` (running time so far, going on across resumes) and what it was given. JSON has no NaN, and
 * `JSON.stringify` would turn it into null without a word; here NaN and ±∞ are written as the strings `"NaN"`,
 * `"Infinity"`, `"-Infinity"`, which `readMetrics`, Python's `float()` and pandas read back.
 *
 * @param path the file; its folder is made. An existing file is added to.
 * @param options `resumeAfter`: drop lines of later steps (they will be trained again) and a half-written last line;
 *   `clock`: milliseconds now.
 * @throws {DataError} if a line that has to stay is not JSON, naming file and line.
 * @example
 * const path = `${(await import('node:os')).tmpdir()}/metrics-${process.pid}.jsonl`;
 * const log = new MetricsLog(path, { resumeAfter: -1 });
 * log.write({ step: 1, loss: 0.5 });
 * log.write({ step: 2, loss: NaN });
 * readMetrics(path).map((line) => String(line.loss)) // ["0.5", "NaN"]
 */
export class MetricsLog {
  readonly path: string;
  readonly #clock: () => number;
  readonly #start: number;

  constructor(path: string, { resumeAfter, clock = Date.now }: { resumeAfter?: number; clock?: () => number } = {}) {
    this.path = path;
    this.#clock = clock;
    mkdirSync(dirname(path), { recursive: true });
    let secondsBefore = 0;
    if (existsSync(path)) {
      const kept = readMetrics(path).filter((line) => resumeAfter === undefined || line.step <= resumeAfter);
      secondsBefore = kept.at(-1)?.seconds ?? 0;
      // Rewritten beside and renamed: a crash in between must not cost the history.
      writeFileSync(`${path}.tmp`, kept.map(toLine).join(''));
      renameSync(`${path}.tmp`, path);
    }
    this.#start = clock() - secondsBefore * 1000;
  }

  /** Running time so far, in seconds, with that of the runs resumed from. */
  get seconds(): number {
    return Math.round(this.#clock() - this.#start) / 1000;
  }

  /** Appends one line; a `seconds` given by the caller wins. */
  write(metrics: { step: number; epoch?: number } & Record<string, unknown>): void {
    const { step, epoch, ...rest } = metrics;
    const position = epoch === undefined ? { step } : { step, epoch };
    appendFileSync(this.path, toLine({ ...position, seconds: this.seconds, ...rest }));
  }
}

/**
 * Reads a metrics file; the strings "NaN", "Infinity" and "-Infinity" become numbers again.
 *
 * A last line without its newline (the process was killed while writing) is left out.
 *
 * @throws {DataError} if a whole line is not a JSON object with a numeric `step`, naming file and line.
 */
export function readMetrics(path: string): MetricsLine[] {
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((text, i) => {
    try {
      const line = JSON.parse(text, (_, value) => (nonFinite.includes(value) ? Number(value) : value));
      if (typeof line?.step !== 'number') throw new Error('no numeric "step"');
      return line as MetricsLine;
    } catch (error) {
      const why = (error as Error).message;
      throw new DataError(
        `${path}:${i + 1}: not a line of a metrics file (${why}): remove the line, or start a new run`,
      );
    }
  });
}

function toLine(line: object): string {
  const written = JSON.stringify(line, (_, value) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
  );
  return `${written}\n`;
}
