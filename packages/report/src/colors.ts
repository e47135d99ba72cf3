/** Red, green, blue in 0…255. */
export type Rgb = readonly [number, number, number];

/** Ten samples of matplotlib's "inferno" (van der Walt and Smith 2015): lightness rises evenly, so a step in value is a step to the eye. */
export const SEQUENTIAL = [
  '000004',
  '1b0c42',
  '4b0c6b',
  '781c6d',
  'a52c60',
  'cf4446',
  'ed6925',
  'fb9a06',
  'f7d03c',
  'fcffa4',
];

/** Cool to warm over light grey (after Moreland 2009): both ends equally far from the middle. */
export const DIVERGING = ['3b4cc0', '6788ee', '9abbff', 'c9d7f0', 'dddddd', 'f7c4a9', 'f39475', 'd65244', 'b40426'];

/** Colour at `t` in 0…1, linear between the samples. */
export function colorAt(samples: readonly string[], t: number): Rgb {
  const position = Math.min(Math.max(t, 0), 1) * (samples.length - 1);
  const below = Math.min(Math.floor(position), samples.length - 2);
  const [low, high] = [parse(samples[below]!), parse(samples[below + 1]!)];
  const mix = (channel: 0 | 1 | 2) => low[channel] + (high[channel] - low[channel]) * (position - below);
  return [mix(0), mix(1), mix(2)];
}

/** Six box colours that stay apart from each other, from grey images and from both colour maps, also for colour-blind readers. */
export const BOX_COLORS = ['#35d0ff', '#7dff6a', '#ff8ad8', '#ffffff', '#ffd21f', '#b9a3ff'];

function parse(hex: string): Rgb {
  const byte = (start: number) => Number.parseInt(hex.slice(start, start + 2), 16);
  return [byte(0), byte(2), byte(4)];
}
