import { checkNumber, OptionError } from '@medalign/similarity';

/** One number for a square, or [height, width]. */
export type Size = number | readonly [height: number, width: number];

/** Height and width of a size. */
export function checkSize(size: Size): [number, number] {
  const pair = typeof size === 'number' ? [size, size] : [...size];
  if (pair.length !== 2) throw new OptionError(`size: expected a number or [height, width], got [${pair}]`);
  return pair.map((value) => checkNumber('size', value, { minimum: 1, integer: true })) as [number, number];
}
