import { expect, it } from 'vitest';
import { pointingGame } from './pointing-game';

const nan = Number.NaN;

it('looks at the first maximum', () => {
  expect(pointingGame([0, 3, 1], [0, 1, 0])).toMatchObject({ value: 1, index: 1, maxima: 1, n: 3 });
  expect(pointingGame([3, 3, 1], [0, 1, 0])).toMatchObject({ value: 0, index: 0, maxima: 2 });
  expect(pointingGame([-3, -1, -2], [0, 1, 0]).value).toBe(1);
});

it('drops unknown pixels, and has no value when the region is unknown', () => {
  expect(pointingGame([nan, 3, 9], [1, 1, 0])).toMatchObject({ value: 0, unknown: 1, n: 2 });
  expect(pointingGame([nan, 3, 9], [1, 0, 0])).toMatchObject({ value: null, index: 2 });
  expect(pointingGame([nan, nan], [1, 0])).toMatchObject({ value: null, index: -1, n: 0 });
  expect(pointingGame([1, 2], [0, 0]).value).toBeNull();
});
