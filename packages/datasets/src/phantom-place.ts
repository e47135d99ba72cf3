import { type Anatomy, heartAt, lungAt } from './phantom-anatomy';
import { type DrawnLesion, drawLesion } from './phantom-lesions';
import type { PlannedFinding } from './phantom-plan';
import type { Random } from './random';
import type { Box } from './types';

/** The chest at every pixel's centre. */
export interface View {
  size: number;
  /** Model coordinates. */
  xs: Float64Array;
  ys: Float64Array;
  /** Right and left lung, and heart, 0…1. */
  lungs: [Float64Array, Float64Array];
  heart: Float64Array;
}

/** A view of the patient under a little shift, turn and scale. */
export function drawView(anatomy: Anatomy, random: Random, size: number): View {
  const [dx, dy] = [random.between(-0.02, 0.02), random.between(-0.015, 0.015)];
  const scale = random.between(0.97, 1.03);
  const angle = random.between(-0.03, 0.03);
  const [c, s] = [Math.cos(angle) / scale, Math.sin(angle) / scale];
  const xs = new Float64Array(size * size);
  const ys = new Float64Array(size * size);
  for (let row = 0, i = 0; row < size; row++) {
    const y = (row + 0.5) / size - 0.5 - dy;
    for (let column = 0; column < size; column++, i++) {
      const x = (column + 0.5) / size - 0.5 - dx;
      xs[i] = 0.5 + c * x - s * y;
      ys[i] = 0.5 + s * x + c * y;
    }
  }
  const at = (value: (x: number, y: number) => number) => Float64Array.from(xs, (x, i) => value(x, ys[i]!));
  const lungs: View['lungs'] = [at((x, y) => lungAt(anatomy, 0, x, y)), at((x, y) => lungAt(anatomy, 1, x, y))];
  return { size, xs, ys, lungs, heart: at((x, y) => heartAt(anatomy, x, y)) };
}

/** A lesion on the pixel grid. */
export interface RasterLesion {
  added: Float32Array;
  hidden: Float32Array;
  mask: Uint8Array;
  box: Box;
}

function boxOf(mask: Uint8Array, size: number): Box | undefined {
  let [left, top, right, bottom, count] = [size, size, -1, -1, 0];
  for (let y = 0, i = 0; y < size; y++) {
    for (let x = 0; x < size; x++, i++) {
      if (mask[i] === 0) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = y;
      count++;
    }
  }
  return count < 4 ? undefined : { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

function rasterize(lesion: DrawnLesion, { xs, ys, size, lungs, heart }: View): RasterLesion | undefined {
  const lung = lungs[lesion.side]!;
  const n = xs.length;
  const [added, hidden, mask] = [new Float32Array(n), new Float32Array(n), new Uint8Array(n)];
  const [left, top, right, bottom] = lesion.extent;
  let peak = 0;
  for (let i = 0; i < n; i++) {
    const x = xs[i]!;
    const y = ys[i]!;
    if (x < left || x > right || y < top || y > bottom) continue;
    const value = lesion.field(x, y, lung[i]!, heart[i]!);
    hidden[i] = value;
    added[i] = lesion.density ? lesion.density(x, y, lung[i]!, heart[i]!) : lesion.amplitude * value;
    peak = Math.max(peak, value);
  }
  // A finding mostly hidden by the heart or outside the lung would be a phrase without anything to see.
  if (peak < 0.5) return undefined;
  for (let i = 0; i < n; i++) mask[i] = hidden[i]! > lesion.maskLevel * peak ? 1 : 0;
  const box = boxOf(mask, size);
  return box && { added, hidden, mask, box };
}

const overlap = (a: Box, b: Box) => {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return width <= 0 || height <= 0 ? 0 : (width * height) / Math.min(a.width * a.height, b.width * b.height);
};

export function hull(boxes: readonly Box[]): Box {
  const x = Math.min(...boxes.map((b) => b.x));
  const y = Math.min(...boxes.map((b) => b.y));
  const right = Math.max(...boxes.map((b) => b.x + b.width));
  const bottom = Math.max(...boxes.map((b) => b.y + b.height));
  return { x, y, width: right - x, height: bottom - y };
}

/** Draws a planned finding, trying other places that the same words describe until it lies clear of the others. */
export function place(
  anatomy: Anatomy,
  planned: PlannedFinding,
  others: readonly { category: string; parts: RasterLesion[] }[],
  view: View,
  random: Random,
): RasterLesion[] | undefined {
  let best: RasterLesion[] | undefined;
  let bestOverlap = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 12 && bestOverlap > 0.25; attempt++) {
    const parts = drawLesion(anatomy, planned.lesion, random).map((lesion) => rasterize(lesion, view));
    if (parts.some((part) => part === undefined)) continue;
    const drawn = parts as RasterLesion[];
    let worst = 0;
    for (const o of others)
      for (const a of o.parts)
        for (const b of drawn) {
          const share = overlap(a.box, b.box);
          worst = Math.max(worst, o.category === planned.lesion.category && share > 0 ? 2 : share);
        }
    if (worst < bestOverlap) [best, bestOverlap] = [drawn, worst];
  }
  // Two findings of one category that touch could not be told apart by their boxes.
  return bestOverlap >= 2 ? undefined : best;
}
