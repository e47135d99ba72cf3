import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bootstrap, pairedBootstrap } from './bootstrap';

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('bootstrap', () => {
  it('is seeded', () => {
    const items = [1, 5, 2, 8, 4];
    expect(bootstrap(items, mean, { seed: 3 })).toEqual(bootstrap(items, mean, { seed: 3 }));
    expect(bootstrap(items, mean, { seed: 3 }).low).not.toBe(bootstrap(items, mean, { seed: 4 }).low);
  });

  it('finds the standard error of a mean', () => {
    const items = Array.from({ length: 100 }, (_, i) => i % 2);
    const { low, high, standardError, value } = bootstrap(items, mean, { resamples: 4000 });
    // σ/√n = 0.05; normal limits 0.5 ∓ 0.098.
    expect(value).toBe(0.5);
    expect(Math.abs(standardError! - 0.05)).toBeLessThan(0.003);
    expect(Math.abs(low! - 0.402)).toBeLessThan(0.011);
    expect(Math.abs(high! - 0.598)).toBeLessThan(0.011);
  });

  it('draws whole groups: ten copies of an item tell no more than one', () => {
    const groups = Array.from({ length: 20 }, (_, i) => i);
    const items = groups.flatMap((group) => Array.from({ length: 10 }, () => ({ group, value: group % 2 })));
    const statistic = (rows: { value: number }[]) => mean(rows.map((row) => row.value));
    const grouped = bootstrap(items, statistic, { by: (item) => item.group });
    const loose = bootstrap(items, statistic);
    expect(grouped.groups).toBe(20);
    expect(Math.abs(grouped.standardError! - 0.1118)).toBeLessThan(0.01);
    expect(Math.abs(loose.standardError! - 0.0354)).toBeLessThan(0.004);
  });

  it('leaves out and counts resamples on which the statistic is undefined', () => {
    const result = bootstrap([0, 1], (v) => (v[0] === v[1] ? null : 7), { resamples: 400 });
    expect(result).toMatchObject({ value: 7, low: 7, high: 7 });
    expect(result.undefinedResamples).toBeGreaterThan(150);
    expect(bootstrap([1], () => null)).toMatchObject({
      value: null,
      low: null,
      standardError: null,
      undefinedResamples: 1000,
    });
  });

  it('keeps low ≤ high, inside the range of the items', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 9 }), (items) => {
        const { low, high } = bootstrap(items, mean, { resamples: 50 });
        expect(low!).toBeLessThanOrEqual(high!);
        expect(low!).toBeGreaterThanOrEqual(Math.min(...items) - 1e-9);
        expect(high!).toBeLessThanOrEqual(Math.max(...items) + 1e-9);
      }),
    );
  });

  it('refuses nothing, and odd options', () => {
    expect(() => bootstrap([], mean)).toThrow(/items: expected at least one value/);
    expect(() => bootstrap([1], mean, { level: 95 })).toThrow(/level: expected a number between 0 and 1, got 95/);
    expect(() => bootstrap([1], mean, { resamples: 0 })).toThrow(/resamples/);
  });
});

describe('pairedBootstrap', () => {
  const noise = Array.from({ length: 60 }, (_, i) => ((i * 37) % 60) - 30);
  it('sees a small constant gain that separate intervals hide', () => {
    const first = noise.map((value) => value + 1);
    const paired = pairedBootstrap(first, noise, mean);
    expect(paired.value).toBeCloseTo(1, 10);
    expect(paired.low).toBeCloseTo(1, 10);
    expect(paired.pValue!).toBeLessThan(0.01);
    expect(bootstrap(first, mean).low!).toBeLessThan(bootstrap(noise, mean).high!);
  });
  it('says 1 for equal systems', () => {
    expect(pairedBootstrap(noise, noise, mean)).toMatchObject({ value: 0, low: 0, high: 0, pValue: 1 });
  });
  it('refuses lists that do not pair up', () => {
    expect(() => pairedBootstrap([1, 2], [1], mean)).toThrow(/second: expected 2 items/);
    const by = (item: { id: string }) => item.id;
    expect(() => pairedBootstrap([{ id: 'a' }], [{ id: 'b' }], () => 1, { by })).toThrow(/belong to group 'a'/);
  });
});
