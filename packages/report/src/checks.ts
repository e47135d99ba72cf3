/** Something given to a report cannot be shown. The message names it, what was expected, what came and the fix. */
export class ReportError extends Error {
  override readonly name = 'ReportError';
}

/** Pixels must fill the size that is announced. */
export function checkPixels(
  argument: string,
  { data, width, height, channels = 1 }: { data: ArrayLike<number>; width: number; height: number; channels?: number },
): void {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new ReportError(`${argument}: expected a whole width and height above 0, got ${width} × ${height}.`);
  }
  if (![1, 3, 4].includes(channels)) {
    throw new ReportError(`${argument}.channels: expected 1 (grey), 3 (RGB) or 4 (RGBA), got ${channels}.`);
  }
  if (data.length !== width * height * channels) {
    throw new ReportError(
      `${argument}.data: expected ${height} × ${width} × ${channels} = ${width * height * channels} numbers, got ${data.length}. ` +
        `Fix: channels last, one image at a time.`,
    );
  }
}

/** A colour goes into an attribute: names and hexadecimal numbers only. */
export function checkColor(argument: string, color: string): void {
  if (!/^(#[0-9a-f]{3}|#[0-9a-f]{6}|[a-z]+)$/i.test(color)) {
    throw new ReportError(`${argument}: expected a CSS colour name or #rrggbb, got '${color}'.`);
  }
}

/** Minimum and maximum of the finite numbers; null if there is none. */
export function finiteRange(data: ArrayLike<number>): [number, number] | null {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}
