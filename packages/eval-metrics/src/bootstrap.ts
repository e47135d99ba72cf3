import { checkNotEmpty, checkWhole, MetricError } from './checks';
import { seededRandom } from './random';
import { quantile, standardDeviation } from './statistics';

/** Options of {@link bootstrap} and {@link pairedBootstrap}. */
export interface BootstrapOptions<T> {
  /** What is drawn as one: the image (or patient) of an item. Every item is its own group by default. */
  by?: (item: T, index: number) => string | number;
  resamples?: number;
  /** Coverage of the interval. */
  level?: number;
  seed?: number;
}

/** Result of {@link bootstrap}. */
export interface Bootstrap {
  /** The statistic of the items as they are. */
  value: number | null;
  low: number | null;
  high: number | null;
  /** Standard deviation over the resamples. */
  standardError: number | null;
  variant: string;
  /** Items. */
  n: number;
  groups: number;
  resamples: number;
  /** Resamples on which the statistic was null, left out of the interval. */
  undefinedResamples: number;
  level: number;
  seed: number;
}

/** Result of {@link pairedBootstrap}: `value` is first − second. */
export interface PairedBootstrap extends Bootstrap {
  /** Two-sided: `min(1, 2 · min(#≤0 + 1, #≥0 + 1) / (resamples + 1))`. */
  pValue: number | null;
}

/**
 * Percentile bootstrap of any statistic, drawing whole groups (images, patients) with replacement.
 *
 * Phrases of one image are not independent: drawing phrases makes the interval too narrow, so say `by`. The limits are the
 * `(1 ∓ level)/2` quantiles of the statistic over the resamples (linear interpolation). Seeded: same seed, same interval.
 *
 * @param items what the statistic is computed from: scores, records, pairs.
 * @param statistic number of a list of items; null where it is not defined (one label only), counted and left out.
 * @param options `by` group of an item, `resamples` 1000, `level` 0.95, `seed` 0.
 * @returns value, interval, standard error and the counts behind them.
 * @throws {MetricError} if there are no items, or an option is out of range.
 * @example
 * const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
 * bootstrap([1, 1, 1], mean).low; // 1
 * bootstrap([1, 2, 3, 4], mean, { seed: 7 }).value; // 2.5
 * @see Efron and Tibshirani 1993, An Introduction to the Bootstrap, ch. 13
 */
export function bootstrap<T>(
  items: readonly T[],
  statistic: (items: T[]) => number | null,
  options: BootstrapOptions<T> = {},
): Bootstrap {
  const { groups, base } = prepare(items, options);
  const samples = draw(groups, base, (order) => statistic(order.map((i) => items[i]!)));
  return { ...summarize(statistic([...items]), samples, base), variant: `percentile bootstrap over ${what(options)}` };
}

/**
 * Is one system better than another on the same images? Bootstrap of the difference, both systems on the same resample.
 *
 * The images that are hard for one system are mostly hard for the other: comparing two separate intervals throws that away.
 *
 * @param first items of the first system.
 * @param second items of the second system, in the same order (item i: same image, same phrase).
 * @param statistic number of a list of items; null where it is not defined.
 * @param options as in {@link bootstrap}; `by` is read from the items of the first system and must agree on the second.
 * @returns `value` = statistic(first) − statistic(second), its interval, and a two-sided p-value.
 * @throws {MetricError} if the lists differ in length or grouping.
 * @example
 * const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
 * pairedBootstrap([2, 3, 4], [1, 2, 3], mean).low; // 1
 */
export function pairedBootstrap<T>(
  first: readonly T[],
  second: readonly T[],
  statistic: (items: T[]) => number | null,
  options: BootstrapOptions<T> = {},
): PairedBootstrap {
  if (first.length !== second.length) {
    throw new MetricError(
      `second: expected ${first.length} items in the order of first, got ${second.length}. ` +
        `Fix: keep the items that both systems have, in one order.`,
    );
  }
  const { by } = options;
  const odd = by ? first.findIndex((item, i) => by(item, i) !== by(second[i]!, i)) : -1;
  if (by && odd >= 0) {
    throw new MetricError(
      `second: expected item ${odd} to belong to group '${by(first[odd]!, odd)}' as in first, got '${by(second[odd]!, odd)}'. ` +
        `Fix: sort both lists the same way.`,
    );
  }
  const { groups, base } = prepare(first, options);
  const difference = (order: readonly number[]) => {
    const a = statistic(order.map((i) => first[i]!));
    const b = statistic(order.map((i) => second[i]!));
    return a === null || b === null ? null : a - b;
  };
  const samples = draw(groups, base, difference);
  const atMost = samples.filter((sample) => sample <= 0).length;
  const atLeast = samples.filter((sample) => sample >= 0).length;
  const pValue = Math.min(1, (2 * (Math.min(atMost, atLeast) + 1)) / (samples.length + 1));
  return {
    ...summarize(difference(first.map((_, i) => i)), samples, base),
    pValue: samples.length ? pValue : null,
    variant: `paired percentile bootstrap over ${what(options)}, first − second`,
  };
}

type Base = Pick<Bootstrap, 'n' | 'groups' | 'resamples' | 'level' | 'seed'>;

function what<T>(options: BootstrapOptions<T>): string {
  return options.by ? 'groups' : 'items';
}

function prepare<T>(
  items: readonly T[],
  { by = (_, i) => i, resamples = 1000, level = 0.95, seed = 0 }: BootstrapOptions<T>,
) {
  checkNotEmpty('items', items);
  checkWhole('resamples', resamples, 1);
  checkWhole('seed', seed, 0);
  if (!(level > 0 && level < 1)) throw new MetricError(`level: expected a number between 0 and 1, got ${level}.`);
  const members = new Map<string | number, number[]>();
  items.forEach((item, i) => {
    const key = by(item, i);
    const group = members.get(key);
    if (group) group.push(i);
    else members.set(key, [i]);
  });
  const groups = [...members.values()];
  return { groups, base: { n: items.length, groups: groups.length, resamples, level, seed } };
}

function draw(groups: number[][], { resamples, seed }: Base, statistic: (order: number[]) => number | null): number[] {
  const random = seededRandom(seed);
  const samples: number[] = [];
  for (let r = 0; r < resamples; r++) {
    const order: number[] = [];
    for (let g = 0; g < groups.length; g++) {
      for (const i of groups[Math.floor(random() * groups.length)]!) order.push(i);
    }
    const sample = statistic(order);
    if (sample !== null && !Number.isNaN(sample)) samples.push(sample);
  }
  return samples;
}

function summarize(value: number | null, samples: number[], base: Base): Omit<Bootstrap, 'variant'> {
  const sorted = Float64Array.from(samples).sort();
  const limit = (share: number) => (sorted.length ? quantile(sorted, share) : null);
  return {
    value,
    low: limit((1 - base.level) / 2),
    high: limit((1 + base.level) / 2),
    standardError: standardDeviation(sorted),
    undefinedResamples: base.resamples - samples.length,
    ...base,
  };
}
