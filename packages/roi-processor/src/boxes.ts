import { OptionError } from '@medalign/similarity';

/** `[cx, cy, w, h]`: centre and size as shares of the image's width and height, 0…1. */
export type Box = readonly [cx: number, cy: number, w: number, h: number];

/** How far a box may reach out of its image: what rounding to four digits leaves. */
const SLACK = 1e-4;

/**
 * Refuses what is no region of an image: not four finite numbers, no area, or outside.
 *
 * @throws {OptionError} naming the box, what is wrong with it, and the likely cause.
 */
export function checkBox(argument: string, box: ArrayLike<number>): void {
  const values = Array.from({ length: box.length }, (_, i) => box[i]!);
  const fail = (why: string) => {
    throw new OptionError(`${argument}: expected [cx, cy, w, h] inside the image, in 0…1, got [${values}]: ${why}`);
  };
  if (values.length !== 4) fail(`${values.length} numbers instead of 4`);
  if (!values.every(Number.isFinite)) fail('not all are finite numbers');
  if (values.some((value) => value > 2)) fail("pixels? Fix: divide by the image's width and height");
  const [cx, cy, w, h] = values as [number, number, number, number];
  if (w <= 0 || h <= 0) fail('it has no area. Fix: leave the box out');
  for (const [axis, centre, length] of [
    ['x', cx, w],
    ['y', cy, h],
  ] as const) {
    const [from, to] = [centre - length / 2, centre + length / 2];
    if (from >= -SLACK && to <= 1 + SLACK) continue;
    fail(`it reaches from ${+from.toFixed(4)} to ${+to.toFixed(4)} in ${axis}. Fix: clip it to the image`);
  }
}
