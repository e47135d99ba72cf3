// The printed numbers once more, one at a time, from plain arrays: nothing here knows tensors or the package's metrics.
import type { MedRegionSample } from '@medalign/datasets';

export type Row = ArrayLike<number>;

export function cosine(a: Row, b: Row): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  return ab / Math.sqrt(aa * bb);
}

export const average = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;

/** Share of queries, both directions together, that have an equal text among their k best. */
export function recallTwin(images: readonly Row[], texts: readonly Row[], names: readonly string[], k: number): number {
  const hits: number[] = [];
  const search = (queries: readonly Row[], gallery: readonly Row[]) => {
    queries.forEach((query, q) => {
      const list = gallery.map((entry, j) => ({ j, score: cosine(query, entry) }));
      list.sort((a, b) => b.score - a.score || a.j - b.j);
      hits.push(Number(list.slice(0, k).some(({ j }) => names[j] === names[q])));
    });
  };
  search(images, texts);
  search(texts, images);
  return average(hits);
}

/** The chance that a positive scores above a negative, by comparing every pair; ties are a half. */
export function areaTwin(scores: readonly number[], labels: readonly number[]): number | null {
  const wins: number[] = [];
  scores.forEach((a, i) => {
    scores.forEach((b, j) => {
      if (labels[i] === 1 && labels[j] === 0) wins.push(a > b ? 1 : a === b ? 0.5 : 0);
    });
  });
  return wins.length ? average(wins) : null;
}

/** Cross-entropy of a row's logits against all that are positives of it. */
const crossEntropy = (logits: readonly number[], positive: readonly boolean[]) => {
  const top = Math.max(...logits);
  const sum = (keep: (j: number) => boolean) =>
    logits.reduce((total, z, j) => total + (keep(j) ? Math.exp(z - top) : 0), 0);
  return Math.log(sum(() => true)) - Math.log(sum((j) => positive[j]!));
};

/** Eq 3: the mean of both directions, equal ids positives of each other. */
export function globalLossTwin(images: readonly Row[], texts: readonly Row[], ids: readonly number[], tau: number) {
  const z = images.map((image) => texts.map((text) => cosine(image, text) / tau));
  const forward = z.map((row, i) => crossEntropy(row, ids.map((id) => id === ids[i]))); // biome-ignore format: one expression
  const backward = ids.map((own, j) => crossEntropy(z.map((row) => row[j]!), ids.map((id) => id === own))); // biome-ignore format: one expression
  return (average(forward) + average(backward)) / 2;
}

/** Eq 2, left: ROIs against the captions of the batch; a mean over an image's ROIs, then over images with any. */
export function roiLossTwin(
  rois: readonly (readonly Row[])[],
  captions: readonly Row[],
  ids: readonly number[],
  tau: number,
) {
  const perImage = rois.flatMap((list, i) =>
    list.length === 0
      ? []
      : [
          average(
            list.map((roi) =>
              crossEntropy(
                captions.map((caption) => cosine(roi, caption) / tau),
                ids.map((id) => id === ids[i]),
              ),
            ),
          ),
        ],
  );
  return perImage.length ? average(perImage) : 0;
}

/** Eq 2, right, scaled by 1/τ: ROIs against the negatives of their image. */
export function negativeLossTwin(
  rois: readonly (readonly Row[])[],
  negatives: readonly (readonly Row[])[],
  tau: number,
) {
  const perImage = rois.flatMap(
    (list, i) =>
    list.length === 0 || negatives[i]!.length === 0
      ? []
      : [average(list.map((roi) => average(negatives[i]!.map((n) => Math.log(1 + Math.exp(cosine(roi, n) / tau))))))], // biome-ignore format: one expression
  );
  return perImage.length ? average(perImage) : 0;
}

/** Whether the largest value of a grid over the model's view, spread bilinearly over the original, is in a box. */
export function pointsIntoBox(
  grid: Row,
  [rows, columns]: readonly [number, number],
  view: {
    width: number;
    height: number;
    crop: number;
    scale: { x: number; y: number };
    offset: { x: number; y: number };
  },
  box: { x: number; y: number; width: number; height: number },
): 0 | 1 {
  let best = { value: Number.NEGATIVE_INFINITY, x: 0, y: 0 };
  const tap = (pixel: number, scale: number, offset: number, cells: number) => {
    const seen = (pixel + 0.5) * scale + offset;
    if (seen < 0 || seen > view.crop) return undefined;
    const at = Math.min(cells - 1, Math.max(0, (seen * cells) / view.crop - 0.5));
    return { low: Math.floor(at), high: Math.min(cells - 1, Math.floor(at) + 1), part: at - Math.floor(at) };
  };
  for (let y = 0; y < view.height; y++) {
    for (let x = 0; x < view.width; x++) {
      const [r, c] = [tap(y, view.scale.y, view.offset.y, rows), tap(x, view.scale.x, view.offset.x, columns)];
      if (!r || !c) continue;
      const value = (row: number) =>
        grid[row * columns + c.low]! * (1 - c.part) + grid[row * columns + c.high]! * c.part;
      const here = Math.fround(value(r.low) * (1 - r.part) + value(r.high) * r.part);
      if (here > best.value) best = { value: here, x: x + 0.5, y: y + 0.5 };
    }
  }
  const inside = best.x >= box.x && best.x < box.x + box.width && best.y >= box.y && best.y < box.y + box.height;
  return inside ? 1 : 0;
}

/** Samples of a modality that have a label of a class. */
export const labelsOf = (samples: readonly MedRegionSample[], name: string) =>
  samples.map(({ labels }) => labels![name]!);
