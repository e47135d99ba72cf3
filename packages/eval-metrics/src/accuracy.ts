import { checkMask, checkNotEmpty, checkSameLength, checkScores, type Mask, MetricError, type Numbers } from './checks';
import type { Id } from './retrieval';

/** Result of {@link accuracy}. */
export interface Accuracy {
  value: number;
  /** Mean over the classes of the share of the class that is right: a rare class weighs as much as a common one. */
  balanced: number;
  variant: string;
  n: number;
  perClass: Record<string, { value: number; n: number }>;
  /** Value of always answering the most common label. */
  chance: number;
}

/**
 * Share of right answers (top-1), plain and balanced over the classes.
 *
 * @param predictions `[n]` class names or numbers.
 * @param labels `[n]` of the same kind.
 * @returns plain and balanced accuracy, per class, and the level of always answering the most common label.
 * @throws {MetricError} if the lengths differ or there is nothing.
 * @example
 * accuracy(['a', 'a', 'b', 'a'], ['a', 'a', 'b', 'b']).value; // 0.75
 * accuracy([1, 1, 1, 1], [1, 1, 1, 2]).balanced; // 0.5
 */
export function accuracy(predictions: ArrayLike<Id>, labels: ArrayLike<Id>): Accuracy {
  checkSameLength('predictions', predictions, 'labels', labels, 'sample');
  checkNotEmpty('predictions', predictions);
  const counts = new Map<Id, { right: number; n: number }>();
  for (let i = 0; i < labels.length; i++) {
    const entry = counts.get(labels[i]!) ?? { right: 0, n: 0 };
    counts.set(labels[i]!, { right: entry.right + (predictions[i] === labels[i] ? 1 : 0), n: entry.n + 1 });
  }
  const classes = [...counts];
  const n = labels.length;
  return {
    value: classes.reduce((sum, [, { right }]) => sum + right, 0) / n,
    balanced: classes.reduce((sum, [, { right, n }]) => sum + right / n, 0) / classes.length,
    variant: 'top-1',
    n,
    perClass: Object.fromEntries(classes.map(([name, { right, n }]) => [String(name), { value: right / n, n }])),
    chance: Math.max(...classes.map(([, { n }]) => n)) / n,
  };
}

/**
 * Share of images that are called right as a whole: abnormal if the image's score is strictly above a threshold.
 *
 * Not {@link pixelAccuracy}: papers call both "ACC". Choose the threshold on validation images.
 *
 * @param scores `[images]`, for instance the maximum of each map.
 * @param labels `[images]` of 0 and 1.
 * @param options `threshold`.
 * @returns the share, and the level of always giving the more common answer.
 * @throws {MetricError} if the lengths differ, a score is NaN, or the threshold is missing.
 * @example
 * imageAccuracy([0.9, 0.2, 0.6], [1, 0, 0], { threshold: 0.5 }).value; // 0.6667
 */
export function imageAccuracy(
  scores: Numbers,
  labels: Mask,
  { threshold }: { threshold: number },
): { value: number; variant: string; n: number; chance: number; threshold: number } {
  checkSameLength('scores', scores, 'labels', labels, 'image');
  checkNotEmpty('scores', scores);
  checkScores('scores', scores);
  checkMask('labels', labels);
  if (!Number.isFinite(threshold)) {
    throw new MetricError(
      `threshold: expected a finite number, got ${threshold}. Fix: choose it on validation images.`,
    );
  }
  const n = labels.length;
  let [right, positives] = [0, 0];
  for (let i = 0; i < n; i++) {
    positives += Number(labels[i]);
    if (scores[i]! > threshold === Boolean(labels[i])) right++;
  }
  return {
    value: right / n,
    variant: 'images, score strictly above the threshold',
    n,
    chance: Math.max(positives, n - positives) / n,
    threshold,
  };
}
