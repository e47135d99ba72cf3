import { checkMask, checkNotEmpty, checkSameLength, type Mask } from './checks';

/** Result of {@link intersectionOverUnion} and {@link dice}. */
export interface Overlap {
  value: number;
  variant: string;
  /** Pixels. */
  n: number;
  /** Pixels in both, in the prediction, in the target. */
  intersection: number;
  predicted: number;
  target: number;
  /** Nothing was predicted although there is a target: scored 0, worth counting. */
  emptyPrediction: boolean;
}

/**
 * Intersection over union (Jaccard index) of two masks: `|A ∩ B| / |A ∪ B|`. Both empty: 1.
 *
 * @param prediction flat `[pixels]` of 0 and 1.
 * @param target flat `[pixels]` of 0 and 1.
 * @returns the value in 0…1 and the pixel counts.
 * @throws {MetricError} if the lengths differ, or an entry is neither 0 nor 1 (threshold first).
 * @example
 * intersectionOverUnion([1, 1, 0, 0], [0, 1, 1, 0]).value; // 0.3333
 * intersectionOverUnion([0, 0], [0, 0]).value; // 1
 */
export function intersectionOverUnion(prediction: Mask, target: Mask): Overlap {
  const counts = overlap(prediction, target);
  const union = counts.predicted + counts.target - counts.intersection;
  return { value: union === 0 ? 1 : counts.intersection / union, variant: 'IoU, both empty = 1', ...counts };
}

/**
 * Dice coefficient (F1 of pixels) of two masks: `2 |A ∩ B| / (|A| + |B|)`. Both empty: 1.
 *
 * @param prediction flat `[pixels]` of 0 and 1.
 * @param target flat `[pixels]` of 0 and 1.
 * @returns the value in 0…1 and the pixel counts.
 * @throws {MetricError} if the lengths differ, or an entry is neither 0 nor 1 (threshold first).
 * @example
 * dice([1, 1, 0, 0], [0, 1, 1, 0]).value; // 0.5
 */
export function dice(prediction: Mask, target: Mask): Overlap {
  const counts = overlap(prediction, target);
  const sum = counts.predicted + counts.target;
  return { value: sum === 0 ? 1 : (2 * counts.intersection) / sum, variant: 'Dice, both empty = 1', ...counts };
}

/**
 * Share of pixels on which prediction and target agree. High for small targets whatever the prediction: read Dice beside it.
 *
 * @param prediction flat `[pixels]` of 0 and 1.
 * @param target flat `[pixels]` of 0 and 1.
 * @returns the share in 0…1, and the share that an empty prediction reaches.
 * @throws {MetricError} if the lengths differ, or an entry is neither 0 nor 1.
 * @example
 * pixelAccuracy([1, 1, 0, 0], [0, 1, 0, 0]); // {"value": 0.75, "variant": "pixels", "n": 4, "emptyPredictionValue": 0.75}
 */
export function pixelAccuracy(
  prediction: Mask,
  target: Mask,
): { value: number; variant: string; n: number; emptyPredictionValue: number } {
  const { n, intersection, predicted, target: positives } = overlap(prediction, target);
  const wrong = predicted + positives - 2 * intersection;
  return { value: (n - wrong) / n, variant: 'pixels', n, emptyPredictionValue: (n - positives) / n };
}

function overlap(prediction: Mask, target: Mask): Omit<Overlap, 'value' | 'variant'> {
  checkSameLength('prediction', prediction, 'target', target, 'pixel');
  checkNotEmpty('prediction', prediction);
  checkMask('prediction', prediction);
  checkMask('target', target);
  let [intersection, predicted, positives] = [0, 0, 0];
  for (let i = 0; i < prediction.length; i++) {
    const [a, b] = [Number(prediction[i]), Number(target[i])];
    intersection += a * b;
    predicted += a;
    positives += b;
  }
  const emptyPrediction = predicted === 0 && positives > 0;
  return { n: prediction.length, intersection, predicted, target: positives, emptyPrediction };
}
