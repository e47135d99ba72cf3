import {
  checkMatrix,
  checkNotEmpty,
  checkSameLength,
  checkWhole,
  type Matrix,
  MetricError,
  type Numbers,
} from './checks';
import { minimize } from './minimize';
import type { Id } from './retrieval';

/** A fitted classifier. */
export interface LogisticRegression {
  classes: Id[];
  /** `[c][d]`; two classes have one row, the second class against the first. */
  weights: number[][];
  bias: number[];
  /** True if the gradient got under the tolerance. */
  converged: boolean;
  iterations: number;
  /** `[n][c]` probabilities in the order of `classes`. */
  probabilities(features: Matrix): number[][];
  /** `[n]` most likely classes. */
  predict(features: Matrix): Id[];
}

/**
 * Logistic regression with an L2 penalty, scikit-learn's objective, minimised by L-BFGS:
 *
 *     min  C · Σ_i −log p(y_i | x_i)  +  ½ ‖W‖²      (the bias is not penalised)
 *
 * Softmax over the classes; two classes share one weight vector and a sigmoid. The problem is convex: no seed, one answer.
 *
 * @param features `[n][d]`.
 * @param labels `[n]`, at least two different ones.
 * @param options `c` inverse strength of the penalty; `maxIterations`; `tolerance` on the largest entry of the gradient of the mean loss.
 * @returns weights, bias, and functions that classify new features.
 * @throws {MetricError} if the sizes disagree, a feature is not finite, or there is only one class.
 * @example
 * const model = logisticRegression([[0], [1], [3], [4]], ['low', 'low', 'high', 'high']);
 * model.predict([[0.5], [3.5]]); // ["low", "high"]
 */
export function logisticRegression(
  features: Matrix,
  labels: ArrayLike<Id>,
  { c = 1, maxIterations = 1000, tolerance = 1e-7 }: { c?: number; maxIterations?: number; tolerance?: number } = {},
): LogisticRegression {
  checkNotEmpty('features', features);
  checkSameLength('features', features, 'labels', labels, 'row');
  const width = features[0]!.length;
  checkFeatures('features', features, width);
  checkWhole('maxIterations', maxIterations, 1);
  if (!(c > 0 && Number.isFinite(c))) throw new MetricError(`c: expected a finite number > 0, got ${c}.`);
  const classes = [...new Set(Array.from(labels))].sort((a, b) => (a < b ? -1 : 1));
  if (classes.length < 2) {
    throw new MetricError(`labels: expected at least two classes, got ${classes.length}. Fix: check the split.`);
  }
  const targets = Array.from(labels, (label) => classes.indexOf(label));
  const rows = classes.length === 2 ? 1 : classes.length;
  const loss = (parameters: Float64Array) => objective(parameters, features, targets, rows, width, c);
  const { point, converged, iterations } = minimize(loss, new Float64Array(rows * (width + 1)), {
    maxIterations,
    tolerance,
  });
  const logits = (x: Numbers) => rowLogits(point, x, rows, width);
  const probabilities = (inputs: Matrix) => {
    checkFeatures('features', inputs, width);
    return Array.from(inputs, (x) => softmax(logits(x)));
  };
  return {
    classes,
    weights: Array.from({ length: rows }, (_, r) => [...point.subarray(r * (width + 1), r * (width + 1) + width)]),
    bias: Array.from({ length: rows }, (_, r) => point[r * (width + 1) + width]!),
    converged,
    iterations,
    probabilities,
    predict: (inputs) => probabilities(inputs).map((p) => classes[p.indexOf(Math.max(...p))]!),
  };
}

function objective(point: Float64Array, features: Matrix, targets: number[], rows: number, width: number, c: number) {
  const n = targets.length;
  const gradient = new Float64Array(point.length);
  let value = 0;
  for (let i = 0; i < n; i++) {
    const x = features[i]!;
    const logits = rowLogits(point, x, rows, width);
    const top = Math.max(...logits);
    const total = top + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0));
    value += (total - logits[targets[i]!]!) / n;
    for (let r = 0; r < rows; r++) {
      // One row stands for the second of two classes.
      const k = rows === 1 ? 1 : r;
      const error = (Math.exp(logits[k]! - total) - (targets[i] === k ? 1 : 0)) / n;
      const start = r * (width + 1);
      for (let j = 0; j < width; j++) gradient[start + j]! += error * x[j]!;
      gradient[start + width]! += error;
    }
  }
  // Everything divided by C · n, so that the tolerance means the same for every n.
  const penalty = 1 / (c * n);
  for (let r = 0; r < rows; r++) {
    for (let j = r * (width + 1); j < r * (width + 1) + width; j++) {
      value += 0.5 * penalty * point[j]! ** 2;
      gradient[j]! += penalty * point[j]!;
    }
  }
  return { value, gradient };
}

/** Logits of all classes; two classes: [0, w·x + b]. */
function rowLogits(point: Float64Array, x: Numbers, rows: number, width: number): number[] {
  const logits: number[] = [];
  for (let r = 0; r < rows; r++) {
    const start = r * (width + 1);
    let sum = point[start + width]!;
    for (let j = 0; j < width; j++) sum += point[start + j]! * x[j]!;
    logits.push(sum);
  }
  return rows === 1 ? [0, logits[0]!] : logits;
}

function softmax(logits: number[]): number[] {
  const top = Math.max(...logits);
  const exponentials = logits.map((logit) => Math.exp(logit - top));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}

function checkFeatures(argument: string, features: Matrix, width: number): void {
  checkMatrix(argument, features, features.length, width);
  for (let i = 0; i < features.length; i++) {
    for (let j = 0; j < width; j++) {
      if (!Number.isFinite(features[i]![j])) {
        throw new MetricError(`${argument}: expected finite numbers, got ${features[i]![j]} at [${i}][${j}].`);
      }
    }
  }
}
