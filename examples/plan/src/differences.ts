import { pairedBootstrap, type SpecificityPair } from '@medalign/eval-metrics';
import type { Measurements, PhraseRecord } from './evaluate';
import type { MapKind } from './maps';
import type { Estimate } from './summary';

/** How much better one reading is than another on the same images, with 95 % intervals of the differences. */
export interface Differences {
  signedCnr: Estimate;
  specificity: Estimate;
  sameCategorySpecificity: Estimate;
  pointing: Estimate;
}

/** A model, or several seeds of it, read by one kind of map. */
export interface ReadBy {
  measured: Pick<Measurements, 'records' | 'pairs'>;
  kind: MapKind;
}

/**
 * first − second, both on the same resample of images: what is hard for one is hard for the other, and comparing two
 * intervals would throw that away.
 */
export function differences(first: ReadBy, second: ReadBy, options: { resamples: number; seed: number }): Differences {
  const both = <T extends { imageId: string }>(
    itemsOf: (reading: ReadBy) => T[],
    statistic: (items: T[]) => number | null,
  ): Estimate => {
    const [a, b] = [itemsOf(first), itemsOf(second)];
    if (a.length === 0) return { value: null, low: null, high: null, n: 0 };
    const { value, low, high, n } = pairedBootstrap(a, b, statistic, { ...options, by: ({ imageId }) => imageId });
    return { value, low, high, n };
  };
  const records = ({ measured, kind }: ReadBy) => measured.records.filter((record) => record.kind === kind);
  const pairs = ({ measured, kind }: ReadBy) => measured.pairs[kind];
  const won = (items: SpecificityPair[]) => mean(items.flatMap(({ outcome }) => outcome ?? []));
  return {
    signedCnr: both(records, (items) => macro(items, 'signedCnr')),
    specificity: both(pairs, won),
    sameCategorySpecificity: both(
      (reading) => pairs(reading).filter((pair) => pair.category === pair.otherCategory),
      won,
    ),
    pointing: both(records, (items) => macro(items, 'pointing')),
  };
}

/** The mean over categories of their means. */
function macro(records: PhraseRecord[], name: 'signedCnr' | 'pointing'): number | null {
  const byCategory = new Map<string, number[]>();
  for (const record of records) {
    const value = record[name];
    if (value === null) continue;
    const values = byCategory.get(record.category);
    if (values) values.push(value);
    else byCategory.set(record.category, [value]);
  }
  return mean([...byCategory.values()].map((values) => mean(values)!));
}

const mean = (values: number[]): number | null =>
  values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
