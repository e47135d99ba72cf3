import { checkMap, checkMask, checkNotEmpty, checkSameLength, type Mask, type Numbers } from './checks';
import { intersectionOverUnion } from './overlap';

/** Result of {@link meanIoU}. */
export interface MeanIoU {
  /** Mean over the thresholds; null if the whole map is unknown. */
  value: number | null;
  perThreshold: { threshold: number; value: number; emptyPrediction: boolean }[];
  /** The map has one value only: nothing is above any threshold. */
  constant: boolean;
  variant: string;
  /** Known pixels. */
  n: number;
  unknown: number;
}

/**
 * Mean IoU of a heat map over several thresholds.
 *
 * The map is min–max scaled to [−1, 1] over its known pixels, then for each threshold t the pixels with `map > t` (strictly)
 * are compared with the mask. A constant map predicts nothing.
 *
 * @param map flat `[pixels]`; NaN = unknown, left out.
 * @param mask flat `[pixels]` of 0 and 1.
 * @param options `thresholds` on the scaled map, by default 0.1, 0.2, 0.3, 0.4, 0.5.
 * @returns the mean, the value at each threshold, and the pixel counts.
 * @throws {MetricError} if the lengths differ, the map holds ±Infinity, or there is no threshold.
 * @example
 * meanIoU([0, 10, 7, 5], [0, 1, 0, 0]).value; // 0.7
 * meanIoU([0, 10, 7, 5], [0, 1, 0, 0], { thresholds: [0.3] }).value; // 0.5
 * @see Boecking et al. 2022, arXiv 2204.09817
 */
export function meanIoU(
  map: Numbers,
  mask: Mask,
  { thresholds = [0.1, 0.2, 0.3, 0.4, 0.5] }: { thresholds?: readonly number[] } = {},
): MeanIoU {
  checkSameLength('map', map, 'mask', mask, 'pixel');
  checkMap('map', map);
  checkMask('mask', mask);
  checkNotEmpty('thresholds', thresholds);
  const { values, target } = knownPixels(map, mask);
  const scaled = scaleMinMax(values);
  const perThreshold = thresholds.map((threshold) => {
    if (values.length === 0) return { threshold, value: 0, emptyPrediction: true };
    const { value, emptyPrediction } = intersectionOverUnion(above(scaled.values, threshold), target);
    return { threshold, value, emptyPrediction };
  });
  const sum = perThreshold.reduce((total, { value }) => total + value, 0);
  return {
    value: values.length ? sum / thresholds.length : null,
    perThreshold,
    constant: scaled.constant,
    variant: `mean over thresholds ${thresholds.join(', ')} of the map scaled to [−1, 1], strictly above`,
    n: values.length,
    unknown: map.length - values.length,
  };
}

/** The pixels that the map knows, with their target. */
export function knownPixels(map: Numbers, mask: Mask): { values: Float64Array; target: Uint8Array } {
  const values = new Float64Array(map.length);
  const target = new Uint8Array(map.length);
  let n = 0;
  for (let i = 0; i < map.length; i++) {
    if (Number.isNaN(map[i]!)) continue;
    values[n] = map[i]!;
    target[n++] = Number(mask[i]);
  }
  return { values: values.subarray(0, n), target: target.subarray(0, n) };
}

/** Min–max scaling to [−1, 1]; a constant map becomes −1 everywhere. */
export function scaleMinMax(values: Numbers): { values: Float64Array; constant: boolean } {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    if (values[i]! < low) low = values[i]!;
    if (values[i]! > high) high = values[i]!;
  }
  const constant = !(high > low);
  const scaled = new Float64Array(values.length).fill(-1);
  if (!constant) for (let i = 0; i < values.length; i++) scaled[i] = (2 * (values[i]! - low)) / (high - low) - 1;
  return { values: scaled, constant };
}

/** Mask of the values strictly above a threshold. */
export function above(values: Numbers, threshold: number): Uint8Array {
  const mask = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) if (values[i]! > threshold) mask[i] = 1;
  return mask;
}
