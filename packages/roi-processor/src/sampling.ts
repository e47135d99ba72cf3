/** One axis of a crop: which part of the image fills which of its pixels. */
export interface Placed {
  /** edges of the part, in source pixels: pixel j covers j … j + 1 */
  from: number;
  to: number;
  /** pixels of the crop that show it, and how many before and after show nothing */
  cells: number;
  before: number;
  after: number;
}

/** How a box that has not the shape of the crop is fitted into it. */
export type Aspect = 'stretch' | 'pad' | 'expand';

/** One axis of a box: its edges and the size of the image in source pixels, and the pixels of the crop. */
export interface Side {
  from: number;
  to: number;
  pixels: number;
  size: number;
}

/** Fits a box, given by its two axes, into a crop. */
export function fit(sides: [Side, Side], aspect: Aspect): [Placed, Placed] {
  // source pixels per pixel of the crop
  const step = Math.max(...sides.map(({ from, to, size }) => (to - from) / size));
  return sides.map(({ from, to, pixels, size }) => {
    if (aspect === 'stretch') return { from, to, cells: size, before: 0, after: 0 };
    const window = (from + to) / 2 - (step * size) / 2;
    if (aspect === 'pad') return place(from, to, Math.floor((size - whole(to - from)) / 2));
    const first = Math.max(window, 0);
    return place(first, Math.min(window + step * size, pixels), Math.round((first - window) / step));

    function whole(length: number): number {
      return Math.min(Math.max(Math.round(length / step), 1), size);
    }
    function place(start: number, end: number, before: number): Placed {
      const cells = whole(end - start);
      const kept = Math.min(before, size - cells);
      return { from: start, to: end, cells, before: kept, after: size - cells - kept };
    }
  }) as [Placed, Placed];
}

/** The source pixels that one axis reads, and what each weighs in each pixel of the crop. */
export interface AxisWeights {
  first: number;
  count: number;
  /** `[cells, count]`, rows sum to 1 */
  weights: Float32Array;
}

/**
 * Bilinear sampling of the part of an axis.
 *
 *     centre of pixel i:  s = from + (i + ½) · step,   step = (to − from)/cells
 *     weight of pixel j:  max(0, 1 − |j + ½ − s| / a) / their sum,   a = max(step, 1) with antialias, else 1
 *
 * Where the image ends, the weights of the pixels that there are sum to 1.
 */
export function axisWeights({ from: start, to: end, cells }: Placed, pixels: number, antialias: boolean): AxisWeights {
  const step = (end - start) / cells;
  const reach = antialias ? Math.max(step, 1) : 1;
  const centre = (i: number) => start + (i + 0.5) * step;
  const first = Math.max(Math.floor(centre(0) - reach), 0);
  const count = Math.min(Math.ceil(centre(cells - 1) + reach), pixels) - first;
  const weights = new Float32Array(cells * count);
  for (let i = 0; i < cells; i++) {
    const middle = centre(i) - first - 0.5;
    const from = Math.max(Math.ceil(middle - reach), 0);
    const to = Math.min(Math.floor(middle + reach), count - 1);
    let sum = 0;
    for (let j = from; j <= to; j++) sum += reach - Math.abs(j - middle);
    for (let j = from; j <= to; j++) weights[i * count + j] = (reach - Math.abs(j - middle)) / sum;
  }
  return { first, count, weights };
}
