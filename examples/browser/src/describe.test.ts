import { expect, it } from 'vitest';
import { describeMap, hottestPlace } from './describe';

const map = (hot: number, background = 0) => ({
  data: Float32Array.from({ length: 9 }, (_, i) => (i === hot ? 1 : background)),
  width: 3,
  height: 3,
});

it.each([
  [0, 'top left'],
  [1, 'top centre'],
  [4, 'centre'],
  [5, 'middle right'],
  [6, 'bottom left'],
])('finds the largest value at %d: %s', (hot, place) => {
  expect(hottestPlace(map(hot))).toBe(place);
  expect(hottestPlace(map(hot, Number.NaN))).toBe(place);
  expect(hottestPlace(map(hot, -5))).toBe(place);
});

it('describes a map', () => {
  const about = { name: 'chest.png', of: '“opacity”', low: -0.5, high: 1 };
  expect(describeMap(map(8, -0.5), about)).toBe(
    'Heat map of “opacity” over chest.png: from −0.500 to 1.000. It is highest at the bottom right of the picture.',
  );
  expect(describeMap(map(8, -0.5), { ...about, high: -0.1 })).toMatch(
    /picture\. All of it is below 0: no place is like/,
  );
  expect(describeMap(map(-1, 2), { ...about, low: 2, high: 2 })).toMatch(/2\.000 everywhere/);
});
