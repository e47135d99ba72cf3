import {
  checkMatrix,
  checkNotEmpty,
  checkSameLength,
  checkScores,
  type Mask,
  type Matrix,
  MetricError,
  type Numbers,
} from './checks';

/** Result of {@link auroc}. */
export interface Auroc {
  /** Null if only one label occurs. */
  value: number | null;
  variant: string;
  /** Samples with a label. */
  n: number;
  positives: number;
  negatives: number;
  /** Samples whose label is NaN (uncertain, not annotated), left out. */
  unlabelled: number;
}

/** Result of {@link macroAuroc}. */
export interface MacroAuroc {
  value: number | null;
  variant: string;
  /** Samples. */
  n: number;
  perClass: Record<string, Auroc>;
  /** Classes with one label only, left out of the mean. */
  excluded: string[];
}

/**
 * Area under the ROC curve: the chance that a positive scores above a negative, ties worth ½.
 *
 * By mid-ranks (Mann–Whitney): with R the sum of the ranks of the positives, p and m the numbers of positives and negatives,
 *
 *     AUROC = (R − p(p + 1)/2) / (p · m)
 *
 * Only the order counts: logits, probabilities and cosines give the same value.
 *
 * @param scores `[n]`, higher is more positive.
 * @param labels `[n]` of 0 and 1; NaN = not labelled, left out and counted.
 * @returns the area, null if one of the labels does not occur.
 * @throws {MetricError} if the lengths differ, a score is NaN or a label something else.
 * @example
 * auroc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]).value; // 0.75
 * auroc([0.1, 0.4], [1, 1]).value; // null
 * @see Hanley and McNeil 1982, doi 10.1148/radiology.143.1.7063747
 */
export function auroc(scores: Numbers, labels: Mask): Auroc {
  checkSameLength('scores', scores, 'labels', labels, 'sample');
  checkScores('scores', scores);
  const order: number[] = [];
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i];
    if (label === 0 || label === 1 || label === true || label === false) order.push(i);
    else if (!Number.isNaN(label)) {
      throw new MetricError(
        `labels: expected 0, 1 or NaN (not labelled), got ${String(label)} at index ${i}. Fix: map the labels first.`,
      );
    }
  }
  order.sort((a, b) => scores[a]! - scores[b]! || 0);
  let [positives, rankSum] = [0, 0];
  for (let start = 0; start < order.length; ) {
    let end = start;
    let tied = 0;
    while (end < order.length && scores[order[end]!] === scores[order[start]!]) tied += Number(labels[order[end++]!]);
    // Ranks start + 1 … end share their mean.
    rankSum += (tied * (start + 1 + end)) / 2;
    positives += tied;
    start = end;
  }
  const negatives = order.length - positives;
  const defined = positives > 0 && negatives > 0;
  return {
    value: defined ? (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives) : null,
    variant: 'mid-ranks, ties ½',
    n: order.length,
    positives,
    negatives,
    unlabelled: labels.length - order.length,
  };
}

/**
 * AUROC per class, averaged over the classes that have both labels (multi-label: classes do not exclude each other).
 *
 * @param scores `[n][c]`.
 * @param labels `[n][c]` of 0 and 1; NaN = not labelled.
 * @param options `classes`, the names of the columns; their index by default.
 * @returns the mean, the result of each class, and the classes left out.
 * @throws {MetricError} if the sizes disagree, a score is NaN or a label something else.
 * @example
 * const result = macroAuroc([[0.9, 0.2], [0.1, 0.3]], [[1, 0], [0, 0]], { classes: ['edema', 'fracture'] });
 * result.value; // 1
 * result.excluded; // ["fracture"]
 */
export function macroAuroc(
  scores: Matrix,
  labels: Matrix,
  {
    classes = Array.from({ length: scores[0]?.length ?? 0 }, (_, c) => String(c)),
  }: { classes?: readonly string[] } = {},
): MacroAuroc {
  checkNotEmpty('scores', scores);
  checkMatrix('scores', scores, scores.length, classes.length);
  checkMatrix('labels', labels, scores.length, classes.length);
  const column = (matrix: Matrix, c: number) => Array.from(matrix, (row) => row[c]!);
  const perClass = Object.fromEntries(classes.map((name, c) => [name, auroc(column(scores, c), column(labels, c))]));
  const values = Object.values(perClass).flatMap(({ value }) => (value === null ? [] : [value]));
  return {
    value: values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null,
    variant: 'mean over the classes with both labels, mid-ranks',
    n: scores.length,
    perClass,
    excluded: classes.filter((name) => perClass[name]!.value === null),
  };
}
