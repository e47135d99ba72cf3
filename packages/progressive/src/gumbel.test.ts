import { expect, it } from 'vitest';
import { gumbel } from './gumbel';

it('is repeated by the same seed, and changed by another', () => {
  expect(gumbel(5, 7)).toEqual(gumbel(5, 7));
  expect(gumbel(5, 8)).not.toEqual(gumbel(5, 7));
  expect(gumbel(3, 7)).toEqual(gumbel(5, 7).slice(0, 3));
});

it('has the mean and variance of a Gumbel distribution, for neighbouring seeds together too', () => {
  const moments = (x: number[]) => {
    const mean = x.reduce((a, b) => a + b, 0) / x.length;
    return [mean, x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length] as const;
  };
  const long = [...gumbel(20_000, 3)];
  const many = Array.from({ length: 20_000 }, (_, seed) => gumbel(1, seed)[0]!);
  for (const sample of [long, many]) {
    const [mean, variance] = moments(sample);
    expect(mean).toBeCloseTo(0.5772, 1);
    expect(Math.abs(variance - Math.PI ** 2 / 6)).toBeLessThan(0.1);
    expect(sample.every(Number.isFinite)).toBe(true);
  }
});
