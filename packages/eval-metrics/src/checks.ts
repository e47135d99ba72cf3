/** Numbers in a row: a plain array or any typed array. */
export type Numbers = ArrayLike<number>;

/** A flat 0/1 mask, one entry per pixel, rows from the top. */
export type Mask = ArrayLike<number | boolean>;

/** A matrix: one array per row. */
export type Matrix = ArrayLike<Numbers>;

/** An argument of a metric is not what the metric is defined on. The message names it, what was expected, what came and the fix. */
export class MetricError extends Error {
  override readonly name = 'MetricError';
}

/** Two arguments that are read side by side must be equally long. */
export function checkSameLength(
  first: string,
  a: ArrayLike<unknown>,
  second: string,
  b: ArrayLike<unknown>,
  what = 'entry',
): void {
  if (a.length !== b.length) {
    throw new MetricError(
      `${second}: expected ${a.length} values, one per ${what} of ${first}, got ${b.length}. ` +
        `Fix: bring both to the same size first.`,
    );
  }
}

/** A set that a metric averages over must hold something. */
export function checkNotEmpty(argument: string, values: ArrayLike<unknown>): void {
  if (values.length === 0) {
    throw new MetricError(
      `${argument}: expected at least one value, got none. Fix: check the split or the filter before it.`,
    );
  }
}

/** A mask holds 0, 1, false or true; a probability here is a forgotten threshold. */
export function checkMask(argument: string, mask: Mask): void {
  for (let i = 0; i < mask.length; i++) {
    const value = mask[i];
    if (value !== 0 && value !== 1 && value !== true && value !== false) {
      throw new MetricError(
        `${argument}: expected a mask of 0 and 1, got ${String(value)} at index ${i}. Fix: compare with a threshold first.`,
      );
    }
  }
}

/** A map holds finite numbers, or NaN where nothing is known. */
export function checkMap(argument: string, map: Numbers): void {
  for (let i = 0; i < map.length; i++) {
    if (Math.abs(map[i]!) === Number.POSITIVE_INFINITY) {
      throw new MetricError(
        `${argument}: expected finite values, or NaN where nothing is known, got ${map[i]} at index ${i}. ` +
          `Fix: look for an overflow in the model.`,
      );
    }
  }
}

/** Scores are ranked, so none may be NaN. */
export function checkScores(argument: string, scores: Numbers): void {
  for (let i = 0; i < scores.length; i++) {
    if (Number.isNaN(scores[i])) {
      throw new MetricError(
        `${argument}: expected numbers that can be ordered, got NaN at index ${i}. Fix: drop or repair it first.`,
      );
    }
  }
}

/** A matrix must have the rows and columns that its labels announce. */
export function checkMatrix(argument: string, matrix: Matrix, rows: number, columns: number): void {
  if (matrix.length !== rows) {
    throw new MetricError(
      `${argument}: expected ${rows} rows of ${columns}, got ${matrix.length} rows. Fix: one row per query.`,
    );
  }
  for (let i = 0; i < rows; i++) {
    const row = matrix[i];
    if (typeof row !== 'object' || row === null || row.length !== columns) {
      throw new MetricError(
        `${argument}: expected ${columns} values in row ${i}, got ${row?.length ?? String(row)}. ` +
          `Fix: pass one array per row, for a tensor \`await t.array()\`.`,
      );
    }
  }
}

/** A whole number inside an interval. */
export function checkWhole(option: string, value: number, minimum: number, maximum = Number.POSITIVE_INFINITY): void {
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    const interval = maximum === Number.POSITIVE_INFINITY ? `>= ${minimum}` : `from ${minimum} to ${maximum}`;
    throw new MetricError(`${option}: expected a whole number ${interval}, got ${String(value)}.`);
  }
}

/** One of the allowed words. */
export function checkChoice<T extends string>(option: string, value: T, allowed: readonly T[]): void {
  if (!allowed.includes(value)) {
    throw new MetricError(
      `${option}: expected one of ${allowed.map((a) => `'${a}'`).join(', ')}, got '${String(value)}'.`,
    );
  }
}
