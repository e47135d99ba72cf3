import { bootstrap } from './bootstrap';
import { checkNotEmpty, MetricError } from './checks';
import { mean, standardDeviation } from './statistics';

/** Scores of one phrase in one image. Every number or boolean beside the named fields is a metric to summarise; null = not defined. */
export interface GroundingRecord {
  imageId: string;
  category: string;
  phrase?: string;
  cnr?: number | null;
  signedCnr?: number | null;
  pointing?: number | boolean | null;
  /** CNR had no number because both sides were constant and different. */
  saturated?: boolean;
  /** Pixels that the map does not know (outside the crop). */
  unknown?: number;
  [metric: string]: string | number | boolean | null | undefined;
}

/** One metric over the phrases of one category. */
export interface CategorySummary {
  mean: number | null;
  /** Population standard deviation over the phrases. */
  std: number | null;
  n: number;
  /** Phrases on which the metric is not defined. */
  excluded: number;
}

/** One metric over all categories. */
export interface MetricSummary {
  /** Macro mean: the mean of the categories' means. */
  value: number | null;
  low: number | null;
  high: number | null;
  /** Mean over all phrases: large categories weigh more. */
  pooled: number | null;
  variant: string;
  n: number;
  excluded: number;
  categories: Record<string, CategorySummary>;
}

/** Result of {@link summarizeGrounding}. */
export interface GroundingSummary {
  variant: string;
  /** Phrases. */
  n: number;
  images: number;
  metrics: Record<string, MetricSummary>;
  /** Phrases whose CNR is saturated: left out of the means. */
  saturated: { total: number; categories: Record<string, number> };
  /** Phrases with unknown pixels. */
  withUnknown: number;
}

const NAMED = new Set(['imageId', 'category', 'phrase', 'saturated', 'unknown']);

/**
 * Table of a grounding benchmark: mean ± std per category, macro mean, bootstrap interval over images.
 *
 * Each metric is averaged over the phrases of a category where it is defined, then over the categories. The interval is
 * a percentile bootstrap that draws images with all their phrases; a category that a resample does not hold is left out of that resample.
 *
 * @param records one per (image, phrase): `imageId`, `category` and the metrics. From {@link contrastToNoise} take `cnr: value`,
 * `signedCnr: signed`, `saturated: status === 'saturated'`, `unknown`.
 * @param options `resamples` 1000, `level` 0.95, `seed` 0.
 * @returns per metric the macro mean with its interval, the categories, and what was left out.
 * @throws {MetricError} if there is no record, or a metric is NaN or infinite (use null for "not defined").
 * @example
 * const summary = summarizeGrounding([
 *   { imageId: '1', category: 'edema', cnr: 1, signedCnr: 1 },
 *   { imageId: '2', category: 'edema', cnr: 3, signedCnr: -3 },
 *   { imageId: '2', category: 'nodule', cnr: 1, signedCnr: 1 },
 * ]);
 * summary.metrics.cnr.value; // 1.5
 * summary.metrics.signedCnr.categories.edema; // {"mean": -1, "std": 2, "n": 2, "excluded": 0}
 */
export function summarizeGrounding(
  records: readonly GroundingRecord[],
  options: { resamples?: number; level?: number; seed?: number } = {},
): GroundingSummary {
  checkNotEmpty('records', records);
  const categories = [...new Set(records.map((record) => record.category))].sort();
  const names = new Set<string>();
  for (const record of records) {
    for (const [name, value] of Object.entries(record)) {
      if (!NAMED.has(name) && (typeof value === 'number' || typeof value === 'boolean' || value === null))
        names.add(name);
    }
  }
  const metrics = Object.fromEntries(
    [...names].map((name) => [name, summarizeMetric(name, records, categories, options)]),
  );
  const saturated = records.filter((record) => record.saturated);
  return {
    variant: 'mean over the phrases of a category, then over categories; saturated left out; bootstrap over images',
    n: records.length,
    images: new Set(records.map((record) => record.imageId)).size,
    metrics,
    saturated: {
      total: saturated.length,
      categories: Object.fromEntries(categories.map((c) => [c, saturated.filter((r) => r.category === c).length])),
    },
    withUnknown: records.filter((record) => (record.unknown ?? 0) > 0).length,
  };
}

function summarizeMetric(
  name: string,
  records: readonly GroundingRecord[],
  categories: readonly string[],
  options: { resamples?: number; level?: number; seed?: number },
): MetricSummary {
  const rows = records.map((record, i) => ({
    imageId: record.imageId,
    category: record.category,
    value: read(record[name], name, i),
  }));
  const defined = rows.flatMap((row) => (row.value === null ? [] : [row.value]));
  const interval = bootstrap(rows, macroMean, { ...options, by: (row) => row.imageId });
  return {
    value: interval.value,
    low: interval.low,
    high: interval.high,
    pooled: mean(defined),
    variant: `macro mean over categories, ${interval.variant} (images), ${interval.resamples}×, level ${interval.level}`,
    n: defined.length,
    excluded: rows.length - defined.length,
    categories: Object.fromEntries(
      categories.map((category) => {
        const own = rows.filter((row) => row.category === category);
        const values = own.flatMap((row) => (row.value === null ? [] : [row.value]));
        const summary = { mean: mean(values), std: standardDeviation(values), n: values.length };
        return [category, { ...summary, excluded: own.length - values.length }];
      }),
    ),
  };
}

function macroMean(rows: readonly { category: string; value: number | null }[]): number | null {
  const sums = new Map<string, { sum: number; n: number }>();
  for (const { category, value } of rows) {
    if (value === null) continue;
    const entry = sums.get(category);
    if (!entry) sums.set(category, { sum: value, n: 1 });
    else {
      entry.sum += value;
      entry.n++;
    }
  }
  return mean([...sums.values()].map(({ sum, n }) => sum / n));
}

function read(value: unknown, name: string, index: number): number | null {
  if (value === null || value === undefined) return null;
  const number = Number(value);
  if (!Number.isFinite(number)) {
    throw new MetricError(
      `records[${index}].${name}: expected a finite number or null, got ${String(value)}. Fix: null where it is not defined.`,
    );
  }
  return number;
}
