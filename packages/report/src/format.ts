import type { Cell, Interval } from './types';

/** A number for reading: given digits, or up to `most` without trailing zeros; very small and large ones as powers of ten. */
export function formatNumber(value: number, digits?: number, most = 3): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  const size = Math.abs(value);
  const text =
    digits !== undefined
      ? value.toFixed(digits)
      : size !== 0 && (size < 0.5 * 10 ** -most || size >= 1e7)
        ? value
            .toExponential(2)
            .replace(/\.?0+e/, 'e')
            .replace('e+', 'e')
        : String(Number(value.toFixed(most)));
  return (Number(text) === 0 && digits !== undefined ? text.replace('-', '') : text).replaceAll('-', '−');
}

/** Digits after the point that all numbers of a column share: as many as any needs, at most 3. */
export function sharedDigits(values: readonly number[]): number | undefined {
  const finite = values.filter(Number.isFinite);
  if (finite.some((value) => value !== 0 && (Math.abs(value) < 0.0005 || Math.abs(value) >= 1e7))) return undefined;
  return Math.max(0, ...finite.map((value) => (String(Number(value.toFixed(3))).split('.')[1] ?? '').length));
}

export function isInterval(cell: Cell): cell is Interval {
  return typeof cell === 'object' && cell !== null;
}

/** A cell as plain text. */
export function formatCell(cell: Cell, digits?: number): string {
  if (cell === null) return '–';
  if (typeof cell === 'boolean') return cell ? 'yes' : 'no';
  if (typeof cell === 'string') return cell;
  if (typeof cell === 'number') return formatNumber(cell, digits);
  const number = cell.value === null ? '–' : formatNumber(cell.value, digits);
  return cell.low === null || cell.high === null
    ? number
    : `${number} [${formatNumber(cell.low, digits)}, ${formatNumber(cell.high, digits)}]`;
}
