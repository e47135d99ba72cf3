/** 'timm' is antialiased bicubic (timm, open_clip), 'huggingface' plain bicubic; both as PyTorch's `interpolate` has them. */
export type Interpolation = 'timm' | 'huggingface';

/** The bicubic kernel with parameter a at distance x. */
function cubic(x: number, a: number): number {
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/**
 * The matrix that resamples a line of `from` values to `to`, as PyTorch's bicubic `interpolate(size)` without aligned corners.
 *
 *     plain        weights of the 4 nearest at their distance, a = −0.75, places outside are the border's
 *     antialiased  all within 2 · max(1, from/to), distances divided by that scale, a = −0.5, weights made to add up to 1
 *
 * @returns `[to, from]`, row by row.
 */
export function bicubicMatrix(from: number, to: number, interpolation: Interpolation): Float32Array {
  const matrix = new Float32Array(to * from);
  const scale = from / to;
  for (let i = 0; i < to; i++) {
    const row = matrix.subarray(i * from, (i + 1) * from);
    if (interpolation === 'huggingface') {
      const center = (i + 0.5) * scale - 0.5;
      const first = Math.floor(center);
      for (let k = first - 1; k <= first + 2; k++) {
        const place = Math.min(from - 1, Math.max(0, k));
        row[place] = row[place]! + cubic(center - k, -0.75);
      }
      continue;
    }
    const width = Math.max(1, scale);
    const center = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(center - 2 * width + 0.5));
    const end = Math.min(from, Math.floor(center + 2 * width + 0.5));
    const weights = Array.from({ length: end - first }, (_, k) => cubic((first + k - center + 0.5) / width, -0.5));
    const total = weights.reduce((a, b) => a + b, 0);
    weights.forEach((weight, k) => {
      row[first + k] = weight / total;
    });
  }
  return matrix;
}

/**
 * Resamples a grid of vectors.
 *
 * @param grid `[h, w, d]`, row by row.
 * @param from `[h, w]`.
 * @param to `[h', w']`.
 * @returns `[h', w', d]`.
 */
export function resampleGrid(
  grid: ArrayLike<number>,
  [h, w]: readonly [number, number],
  [toH, toW]: readonly [number, number],
  interpolation: Interpolation,
): Float32Array {
  const d = grid.length / (h * w);
  const [down, across] = [bicubicMatrix(h, toH, interpolation), bicubicMatrix(w, toW, interpolation)];
  const rows = product(down, grid, [toH, h, w * d]); // [h', w·d]
  const out = new Float32Array(toH * toW * d);
  for (let i = 0; i < toH; i++) {
    out.set(product(across, rows.subarray(i * w * d, (i + 1) * w * d), [toW, w, d]), i * toW * d);
  }
  return out;
}

/** `[n, k] · [k, m]`. */
function product(a: Float32Array, b: ArrayLike<number>, [n, k, m]: [number, number, number]): Float32Array {
  const out = new Float32Array(n * m);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < k; j++) {
      const factor = a[i * k + j]!;
      if (factor === 0) continue;
      for (let c = 0; c < m; c++) out[i * m + c] = out[i * m + c]! + factor * b[j * m + c]!;
    }
  }
  return out;
}
