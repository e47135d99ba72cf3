import { checkMap, checkMask, checkSameLength, type Mask, type Numbers } from './checks';

/** Result of {@link contrastToNoise}. */
export interface ContrastToNoise {
  /** Absolute CNR; null if saturated or empty. */
  value: number | null;
  /** Signed CNR: negative where the map is lower inside than outside; null if saturated or empty. */
  signed: number | null;
  /** `'saturated'`: both sides constant and different. `'empty'`: no known pixel on one of the sides. */
  status: 'defined' | 'saturated' | 'empty';
  variant: string;
  /** Known pixels used, `inside + outside`. */
  n: number;
  inside: number;
  outside: number;
  /** Pixels left out because the map is NaN there (outside the crop). */
  unknown: number;
}

/**
 * Contrast-to-noise ratio of a map inside and outside a region.
 *
 * With μ and σ² the mean and the population variance of the map over a set of pixels,
 *
 *     CNR = |μ_in − μ_out| / √(σ²_in + σ²_out)
 *
 * The absolute value is the paper's; the signed one (without |·|) stands beside it, because a map that avoids the
 * region scores as well in absolute terms. No smoothing, no clamp. Invariant to `a·map + b`, a ≠ 0 (signed: a > 0).
 * Both variances 0: equal means give 0, different means are `'saturated'`: no number, to be counted by the caller.
 *
 * @param map flat `[pixels]`, at the resolution of the original image (see `resizeMap`); NaN = unknown, left out.
 * @param mask flat `[pixels]` of 0 and 1: the union of the boxes of one phrase (see `boxMask`).
 * @returns the absolute value, the signed value, the status and the pixel counts.
 * @throws {MetricError} if the lengths differ, the map holds ±Infinity or the mask anything but 0 and 1.
 * @example
 * contrastToNoise([4, 6, 1, 1], [1, 1, 0, 0]).value; // 4
 * contrastToNoise([0, 2, 4, 6], [1, 1, 0, 0]).signed; // -2.8284
 * contrastToNoise([1, 1, 0, 0], [1, 1, 0, 0]).status; // "saturated"
 * @see Boecking et al. 2022, arXiv 2204.09817
 */
export function contrastToNoise(map: Numbers, mask: Mask): ContrastToNoise {
  checkSameLength('map', map, 'mask', mask, 'pixel');
  checkMap('map', map);
  checkMask('mask', mask);
  const inside = moments(map, mask, true);
  const outside = moments(map, mask, false);
  const base = {
    variant: 'absolute and signed, population variance, unknown pixels dropped',
    n: inside.count + outside.count,
    inside: inside.count,
    outside: outside.count,
    unknown: map.length - inside.count - outside.count,
  };
  if (inside.count === 0 || outside.count === 0) return { value: null, signed: null, status: 'empty', ...base };
  const contrast = inside.mean - outside.mean;
  if (inside.constant && outside.constant) {
    return contrast === 0
      ? { value: 0, signed: 0, status: 'defined', ...base }
      : { value: null, signed: null, status: 'saturated', ...base };
  }
  // hypot of the standard deviations: their squares may underflow for a map of tiny values.
  const signed = contrast / Math.hypot(inside.deviation, outside.deviation);
  return { value: Math.abs(signed), signed, status: 'defined', ...base };
}

function moments(map: Numbers, mask: Mask, side: boolean) {
  let count = 0;
  let sum = 0;
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < map.length; i++) {
    const value = map[i]!;
    if (Boolean(mask[i]) !== side || Number.isNaN(value)) continue;
    count++;
    sum += value;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  // The rounded mean of equal values may differ from them; a constant side must have a variance of exactly 0.
  if (low === high) return { count, mean: low, deviation: 0, constant: true };
  const mean = sum / count;
  const spread = high - low;
  let squares = 0;
  for (let i = 0; i < map.length; i++) {
    const value = map[i]!;
    if (Boolean(mask[i]) === side && !Number.isNaN(value)) squares += ((value - mean) / spread) ** 2;
  }
  return { count, mean, deviation: spread * Math.sqrt(squares / count), constant: false };
}
