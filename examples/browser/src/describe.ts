/** A map over an image: NaN where the model saw nothing. */
export interface ImageMap {
  data: ArrayLike<number>;
  width: number;
  height: number;
}

/** The place of the largest value in words, seen as the picture lies. */
export function hottestPlace({ data, width, height }: ImageMap): string {
  let best = 0;
  // a comparison with NaN is false: the first number takes its place
  for (let i = 0; i < data.length; i++) if (data[i]! > data[best]! || Number.isNaN(data[best]!)) best = i;
  const third = (at: number, size: number) => Math.min(2, Math.floor((3 * at) / size));
  const row = ['top', 'middle', 'bottom'][third(Math.floor(best / width), height)]!;
  const column = ['left', 'centre', 'right'][third(best % width, width)]!;
  return row === 'middle' && column === 'centre' ? 'centre' : `${row} ${column}`;
}

/** A heat map for people who do not see it. */
export function describeMap(
  map: ImageMap,
  { name, of, low, high }: { name: string; of: string; low: number; high: number },
): string {
  if (low === high) return `Heat map of ${of} over ${name}: ${number(low)} everywhere.`;
  const unlike =
    high < 0 ? ' All of it is below 0: no place is like the words, and only their order says something.' : '';
  return `Heat map of ${of} over ${name}: from ${number(low)} to ${number(high)}. ${sayHottest(map)}${unlike}`;
}

export const sayHottest = (map: ImageMap) => `It is highest at the ${hottestPlace(map)} of the picture.`;

/** Three digits after the point, and a minus that is one. */
export const number = (value: number) => value.toFixed(3).replace('-', '−');
