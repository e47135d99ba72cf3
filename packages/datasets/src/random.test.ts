import { describe, expect, it } from 'vitest';
import { randomStream } from './index';

const draw = (count: number, ...keys: (number | string)[]) => {
  const random = randomStream(...keys);
  return Array.from({ length: count }, () => random.uniform());
};

describe('randomStream', () => {
  it('belongs to its keys alone, their order and their kinds', () => {
    expect(draw(5, 1, 'image', 0)).toEqual(draw(5, 1, 'image', 0));
    const others = [
      draw(1, 1),
      draw(1, 2),
      draw(1, '1'),
      draw(1, 1, 0),
      draw(1, 0, 1),
      draw(1, 'ab'),
      draw(1, 'a', 'b'),
    ];
    expect(new Set(others.flat()).size).toBe(others.length);
    expect(draw(1, 2 ** 32)).not.toEqual(draw(1, 0));
  });

  it('is the same on every machine', () => {
    expect(draw(3, 1, 'image', 0)).toEqual([0.39966673078015447, 0.5022064500954002, 0.9842178311664611]);
  });

  it('is uniform and normal, also across streams with neighbouring keys', () => {
    const first = Array.from({ length: 20000 }, (_, i) => draw(1, 7, 'image', i)[0]!);
    const mean = first.reduce((a, b) => a + b, 0) / first.length;
    const neighbours = first.slice(1).reduce((sum, v, i) => sum + (v - 0.5) * (first[i]! - 0.5), 0) / first.length;
    expect(mean).toBeCloseTo(0.5, 1);
    expect(Math.abs(neighbours)).toBeLessThan(0.003);
    const random = randomStream(3);
    const normal = Array.from({ length: 20000 }, () => random.normal());
    const moments = [1, 2, 3, 4].map((k) => normal.reduce((sum, v) => sum + v ** k, 0) / normal.length);
    for (const [k, expected] of [0, 1, 0, 3].entries()) expect(Math.abs(moments[k]! - expected)).toBeLessThan(0.15);
  });

  it('draws whole numbers of a range evenly and shuffles every item once', () => {
    const random = randomStream(5);
    const counts = [0, 0, 0];
    for (let i = 0; i < 6000; i++) counts[random.integer(4, 6) - 4]!++;
    for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(200);
    expect(random.shuffle([1, 2, 3, 4]).sort()).toEqual([1, 2, 3, 4]);
  });
});
