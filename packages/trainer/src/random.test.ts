import fc from 'fast-check';
import { expect, it } from 'vitest';
import { seededRandom, stepSeed } from './random';

it('is a pure function of its keys', () => {
  const first = seededRandom(7, 'order', 3);
  const second = seededRandom(7, 'order', 3);
  const values = Array.from({ length: 20 }, () => first.uniform());
  expect(Array.from({ length: 20 }, () => second.uniform())).toEqual(values);
  const streams = [
    seededRandom(7, 'order', 4),
    seededRandom(7, 'order', '3'),
    seededRandom(7, 'order3'),
    seededRandom(7),
  ];
  const starts = [values[0], ...streams.map((stream) => stream.uniform())];
  expect(new Set(starts).size).toBe(starts.length);
});

it('stays the same across versions: a resumed run must see the order it would have seen', () => {
  const stream = seededRandom(0, 'order', 0);
  expect([...stream.permutation(8)]).toEqual([5, 4, 7, 6, 1, 3, 2, 0]);
});

it('has the moments of its distributions', () => {
  const stream = seededRandom('moments');
  const n = 20_000;
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const uniform = Array.from({ length: n }, () => stream.uniform());
  expect(mean(uniform)).toBeCloseTo(0.5, 1);
  expect(mean(uniform.map((u) => (u - 0.5) ** 2))).toBeCloseTo(1 / 12, 2);
  expect(Math.min(...uniform)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...uniform)).toBeLessThan(1);
  const normal = Array.from({ length: n }, () => stream.normal());
  expect(Math.abs(mean(normal))).toBeLessThan(0.03);
  expect(mean(normal.map((z) => z * z))).toBeCloseTo(1, 1);
  const counts = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < n; i++) counts[stream.integer(6)]!++;
  const chiSquare = counts.reduce((sum, count) => sum + (count - n / 6) ** 2 / (n / 6), 0);
  // 99.9 % of fair dice stay below 20.5.
  expect(chiSquare).toBeLessThan(20.5);
});

it('permutes: every number once', () => {
  fc.assert(
    fc.property(fc.nat(200), fc.integer(), (length, seed) => {
      const order = [...seededRandom(seed, 'p').permutation(length)];
      expect(order.sort((a, b) => a - b)).toEqual(Array.from({ length }, (_, i) => i));
    }),
    { numRuns: 50 },
  );
});

it('refuses keys that would collide or vary', () => {
  expect(() => seededRandom()).toThrow('at least a seed');
  expect(() => seededRandom(Number.NaN)).toThrow('got NaN');
  expect(() => seededRandom(1).integer(0)).toThrow('got 0');
});

it('has another seed for every step, and room for sixteen parts of one', () => {
  const seeds = [0, 1, 2].flatMap((seed) => Array.from({ length: 500 }, (_, step) => stepSeed(seed, step)));
  const parts = seeds.flatMap((seed) => Array.from({ length: 16 }, (_, part) => (seed + part) >>> 0));
  expect(new Set(parts).size).toBe(3 * 500 * 16);
  expect(seeds.every((seed) => Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32)).toBe(true);
});
