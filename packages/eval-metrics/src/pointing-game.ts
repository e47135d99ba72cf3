import { checkMap, checkMask, checkSameLength, type Mask, type Numbers } from './checks';

/** Result of {@link pointingGame}. */
export interface PointingGame {
  /** 1 hit, 0 miss, null if no known pixel lies in the region (nothing could be hit). */
  value: 0 | 1 | null;
  /** Index of the first maximum; −1 if the whole map is unknown. */
  index: number;
  /** How many pixels share the maximum; equal to `n` for a constant map, whose "hit" means nothing. */
  maxima: number;
  variant: string;
  /** Known pixels. */
  n: number;
  /** Pixels left out because the map is NaN there. */
  unknown: number;
}

/**
 * Pointing game: is the maximum of the map inside the region?
 *
 * The first maximum in row order counts, without a tolerance around it. The mean over phrases is the pointing accuracy.
 *
 * @param map flat `[pixels]`; NaN = unknown, left out.
 * @param mask flat `[pixels]` of 0 and 1.
 * @returns 1, 0 or null, and where the maximum is.
 * @throws {MetricError} if the lengths differ, the map holds ±Infinity or the mask anything but 0 and 1.
 * @example
 * pointingGame([0.1, 0.9, 0.3], [0, 1, 0]).value; // 1
 * pointingGame([0.9, 0.9, 0.3], [0, 1, 0]).value; // 0
 * @see Zhang et al. 2016, arXiv 1608.00507 (with a tolerance of 15 pixels; none here)
 */
export function pointingGame(map: Numbers, mask: Mask): PointingGame {
  checkSameLength('map', map, 'mask', mask, 'pixel');
  checkMap('map', map);
  checkMask('mask', mask);
  let index = -1;
  let maxima = 0;
  let known = 0;
  let reachable = false;
  for (let i = 0; i < map.length; i++) {
    const value = map[i]!;
    if (Number.isNaN(value)) continue;
    known++;
    if (mask[i]) reachable = true;
    if (index < 0 || value > map[index]!) {
      index = i;
      maxima = 1;
    } else if (value === map[index]!) maxima++;
  }
  return {
    value: reachable ? (mask[index] ? 1 : 0) : null,
    index,
    maxima,
    variant: 'first maximum, no tolerance, unknown pixels dropped',
    n: known,
    unknown: map.length - known,
  };
}
