import { accuracy } from './accuracy';
import { macroAuroc } from './auroc';
import { checkNotEmpty, checkSameLength, checkWhole, type Matrix, MetricError } from './checks';
import { logisticRegression } from './logistic-regression';
import { sampleWithoutReplacement, seededRandom } from './random';
import type { Id } from './retrieval';
import { mean, standardDeviation } from './statistics';

/** Frozen features with their labels. */
export interface LabelledFeatures {
  /** `[n][d]`. */
  features: Matrix;
  /** `[n]`. */
  labels: readonly Id[];
}

/** Result of {@link fewShotProbe}. */
export interface FewShotProbe {
  /** Mean test accuracy over the seeds. */
  value: number;
  /** Population standard deviation over the seeds. */
  std: number;
  /** Macro AUROC of the class probabilities, one class against the rest: its mean and spread over the seeds; null if the test samples are of one class. */
  auroc: { value: number | null; std: number | null };
  variant: string;
  /** Test samples. */
  n: number;
  shotsPerClass: number;
  /** Per seed: which training rows were chosen, and what came out. */
  runs: {
    seed: number;
    chosen: number[];
    accuracy: number;
    balanced: number;
    auroc: number | null;
    converged: boolean;
  }[];
}

/**
 * Few-shot probe: logistic regression on frozen features of k training samples per class, over several draws.
 *
 * One draw says little: at least five seeds. The chosen rows are part of the result, so that another system can be given the same.
 *
 * @param train features and labels to draw from.
 * @param test features and labels to score on.
 * @param options `shotsPerClass` k; `seeds`; `c` as in {@link logisticRegression}.
 * @returns mean and spread of the accuracy and of the macro AUROC, and every run.
 * @throws {MetricError} if there are fewer than five seeds, a class has fewer than k samples, or a test label was never trained.
 * @example
 * const train = { features: [[0], [0.1], [1], [1.1]], labels: ['a', 'a', 'b', 'b'] };
 * const result = fewShotProbe(train, { features: [[0.05], [0.9]], labels: ['a', 'b'] }, { shotsPerClass: 1 });
 * result.value; // 1
 * result.auroc.value; // 1
 * result.runs.length; // 5
 */
export function fewShotProbe(
  train: LabelledFeatures,
  test: LabelledFeatures,
  { shotsPerClass, seeds = [0, 1, 2, 3, 4], c = 1 }: { shotsPerClass: number; seeds?: readonly number[]; c?: number },
): FewShotProbe {
  checkWhole('shotsPerClass', shotsPerClass, 1);
  checkNotEmpty('test.labels', test.labels);
  checkSameLength('train.features', train.features, 'train.labels', train.labels, 'row');
  checkSameLength('test.features', test.features, 'test.labels', test.labels, 'row');
  if (new Set(seeds).size < 5) {
    throw new MetricError(
      `seeds: expected at least 5 different ones, got [${seeds.join(', ')}]. Fix: one draw is no result.`,
    );
  }
  const members = new Map<Id, number[]>();
  train.labels.forEach((label, i) => {
    const rows = members.get(label);
    if (rows) rows.push(i);
    else members.set(label, [i]);
  });
  for (const [label, rows] of members) {
    if (rows.length < shotsPerClass) {
      throw new MetricError(
        `train: expected at least ${shotsPerClass} samples of class '${label}', got ${rows.length}. Fix: fewer shots.`,
      );
    }
  }
  const stranger = test.labels.find((label) => !members.has(label));
  if (stranger !== undefined) {
    throw new MetricError(
      `test.labels: expected classes of the training set, got '${stranger}'. Fix: drop it or add training samples.`,
    );
  }
  const runs = seeds.map((seed) => {
    const random = seededRandom(seed);
    const chosen = [...members.values()].flatMap((rows) =>
      sampleWithoutReplacement(rows.length, shotsPerClass, random).map((i) => rows[i]!),
    );
    chosen.sort((a, b) => a - b);
    const model = logisticRegression(
      chosen.map((i) => train.features[i]!),
      chosen.map((i) => train.labels[i]!),
      { c },
    );
    const { value, balanced } = accuracy(model.predict(test.features), test.labels);
    const truth = test.labels.map((label) => model.classes.map((name) => Number(name === label)));
    const { value: area } = macroAuroc(model.probabilities(test.features), truth);
    return { seed, chosen, accuracy: value, balanced, auroc: area, converged: model.converged };
  });
  const accuracies = runs.map((run) => run.accuracy);
  const areas = runs.flatMap((run) => run.auroc ?? []);
  return {
    value: mean(accuracies)!,
    std: standardDeviation(accuracies)!,
    auroc: { value: mean(areas), std: standardDeviation(areas) },
    variant: `${shotsPerClass} shots per class, L2 logistic regression on frozen features (C ${c}), mean of ${seeds.length} draws`,
    n: test.labels.length,
    shotsPerClass,
    runs,
  };
}
