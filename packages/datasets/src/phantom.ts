import { type Anatomy, drawAnatomy, heartAt, lungAt, square, texture, tissue } from './phantom-anatomy';
import {
  type DrawnLesion,
  drawLesion,
  type PhantomCategory,
  phantomCategories,
  withHeartSize,
} from './phantom-lesions';
import { type PlannedFinding, planFindings } from './phantom-plan';
import { type Distractor, report } from './phantom-report';
import { type Random, randomStream } from './random';
import { type Box, DataError, type Dataset, type Finding, type Sample } from './types';

/** What `phantomChest` makes. Two numbers are an inclusive range. */
export interface PhantomOptions {
  /** Every image and report follows from it. */
  seed?: number;
  patients?: number;
  imagesPerPatient?: readonly [number, number];
  /** Width and height in pixels, at least 32. */
  size?: number;
  findings?: readonly [number, number];
  categories?: readonly PhantomCategory[];
  /** Probability that an image with two findings or more holds two of one category. */
  pairRate?: number;
  /** Standard deviation of the pixel noise, in parts of full scale. */
  noise?: number;
}

/** Model coordinates of every pixel's centre, under a little shift, turn and scale of the patient in the view. */
function drawView(random: Random, size: number): { xs: Float64Array; ys: Float64Array } {
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
  return { xs, ys };
}

/** Film response: what is already dense gains little from more, then gamma. A table, as it runs for every pixel. */
function filmResponse(gamma: number): (density: number) => number {
  const steps = 256;
  const table = Float64Array.from({ length: 2 * steps + 2 }, (_, i) => {
    const density = i / steps;
    const shown = density < 0.7 ? density : 0.7 + 0.3 * (1 - Math.exp((0.7 - density) / 0.3));
    return shown ** gamma;
  });
  return (density) => {
    const at = steps * Math.min(2, Math.max(0, density));
    const below = Math.floor(at);
    return table[below]! + (at - below) * (table[below + 1]! - table[below]!);
  };
}

/** A lesion on the pixel grid. */
interface RasterLesion {
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

function rasterize(lesion: DrawnLesion, xs: Float64Array, ys: Float64Array, size: number): RasterLesion | undefined {
  const n = xs.length;
  const [added, hidden, mask] = [new Float32Array(n), new Float32Array(n), new Uint8Array(n)];
  const [left, top, right, bottom] = lesion.extent;
  let peak = 0;
  for (let i = 0; i < n; i++) {
    const x = xs[i]!;
    const y = ys[i]!;
    if (x < left || x > right || y < top || y > bottom) continue;
    const value = lesion.field(x, y);
    hidden[i] = value;
    added[i] = lesion.density ? lesion.density(x, y) : lesion.amplitude * value;
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

function hull(boxes: readonly Box[]): Box {
  const x = Math.min(...boxes.map((b) => b.x));
  const y = Math.min(...boxes.map((b) => b.y));
  const right = Math.max(...boxes.map((b) => b.x + b.width));
  const bottom = Math.max(...boxes.map((b) => b.y + b.height));
  return { x, y, width: right - x, height: bottom - y };
}

/** Draws a planned finding, trying other places that the same words describe until it lies clear of the others. */
function place(
  anatomy: Anatomy,
  planned: PlannedFinding,
  others: readonly { category: string; parts: RasterLesion[] }[],
  grid: [Float64Array, Float64Array, number],
  random: Random,
): RasterLesion[] | undefined {
  let best: RasterLesion[] | undefined;
  let bestOverlap = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 12 && bestOverlap > 0.25; attempt++) {
    const parts = drawLesion(anatomy, planned.lesion, random).map((lesion) => rasterize(lesion, ...grid));
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

function drawDistractors(anatomy: Anatomy, random: Random) {
  const shown: Distractor[] = [];
  const shapes: ((x: number, y: number) => number)[] = [];
  const side = random.chance(0.5) ? 'right' : 'left';
  const at = (u: number) => anatomy.midline + (side === 'right' ? -u : u);
  if (random.chance(0.15)) {
    const wave = random.between(0.02, 0.05);
    shown.push({ kind: 'line', side });
    shapes.push((x, y) => {
      if (y > 0.42) return 0;
      const path = y < 0.16 ? at(0.13 + wave) : at(0.035 + (0.095 + wave) * ((0.42 - y) / 0.26) ** 1.5);
      return 0.2 * Math.exp(-square((x - path) / 0.007));
    });
  } else if (random.chance(0.08)) {
    const [cx, cy] = [at(0.29), random.between(0.2, 0.24)];
    shown.push({ kind: 'pacemaker', side });
    shapes.push((x, y) => 0.32 * Math.exp(-((((x - cx) / 0.05) ** 2 + ((y - cy) / 0.042) ** 2) ** 4)));
  }
  if (random.chance(0.12)) {
    const [cx, cy, r] = [at(random.between(0.14, 0.26)), random.between(0.3, 0.62), random.between(0.011, 0.016)];
    shown.push({ kind: 'granuloma', side });
    shapes.push((x, y) => 0.3 * Math.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (r * r)));
  }
  return {
    shown,
    density: (x: number, y: number) => (shapes.length ? shapes.reduce((sum, shape) => sum + shape(x, y), 0) : 0),
  };
}

const named = ({ sides, zone }: { sides: string[]; zone: string }) =>
  zone === 'cardiac' ? zone : `${sides.length === 2 ? 'bilateral' : sides[0]} ${zone}`;

function phantomImage(
  patient: Anatomy,
  id: string,
  patientId: string,
  keys: (number | string)[],
  options: Required<PhantomOptions>,
): Sample {
  const { size, noise } = options;
  const random = randomStream(...keys);
  const count = random.integer(...(options.findings as [number, number]));
  const plan = planFindings(count, options.categories, options.pairRate, random, () =>
    randomStream(...keys, 'wording'),
  );
  const anatomy = withHeartSize(
    patient,
    plan.findings.map((finding) => finding.lesion),
  );
  const n = size * size;
  const { xs, ys } = drawView(random, size);

  const drawn: { planned: PlannedFinding; category: string; parts: RasterLesion[] }[] = [];
  plan.findings.forEach((planned, i) => {
    const parts = place(anatomy, planned, drawn, [xs, ys, size], randomStream(...keys, 'lesion', i));
    if (parts) drawn.push({ planned, category: planned.lesion.category, parts });
  });
  const paired = plan.pair && drawn.filter(({ planned }) => planned.twin).length === 2 ? plan.pair : undefined;

  const distractors = drawDistractors(anatomy, randomStream(...keys, 'distractors'));
  const density = tissue(anatomy);
  const drift = texture(5, ...keys, 'drift');
  const gain = random.between(0.92, 1.08);
  const film = filmResponse(random.between(0.85, 1.2));
  const offset = random.between(-0.02, 0.03);
  const pixelNoise = noise * random.between(0.8, 1.2);
  const grain = randomStream(...keys, 'noise');
  const parts = drawn.flatMap((finding) => finding.parts);
  const data = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    const x = xs[i]!;
    const y = ys[i]!;
    let added = 0;
    let calm = 1;
    for (const part of parts) {
      added += part.added[i]!;
      calm *= 1 - 0.85 * part.hidden[i]!;
    }
    const lungs = lungAt(anatomy, x < anatomy.midline ? 0 : 1, x, y);
    const clean = density(x, y, lungs, heartAt(anatomy, x, y), calm) + distractors.density(x, y) + added;
    const value = offset + gain * film(clean) + 0.4 * noise * drift(x, y) + pixelNoise * grain.normal();
    data[i] = Math.round(255 * Math.min(1, Math.max(0, value)));
  }

  const findings = drawn.map(({ planned: { lesion, phrase }, parts }): Finding => {
    const mask = new Uint8Array(n);
    for (const part of parts) for (let i = 0; i < n; i++) if (part.mask[i]) mask[i] = 1;
    const boxes = parts.map((part) => part.box);
    const { category, severity } = lesion;
    return { category, phrase, severity, location: named(lesion), box: hull(boxes), boxes, mask };
  });
  const present = new Set(drawn.map(({ planned }) => planned.lesion.category));
  const text = report(
    findings.map((f) => f.phrase),
    present,
    distractors.shown,
    randomStream(...keys, 'report'),
  );
  const labels = Object.fromEntries(phantomCategories.map((category) => [category, present.has(category) ? 1 : 0]));
  const image = { kind: 'pixels', data, width: size, height: size, channels: 1 } as const;
  return { id, patientId, image, text, findings, labels, meta: { pair: paired } };
}

/**
 * Chest radiographs that never existed, with reports, boxes and masks: ground truth for phrase grounding.
 *
 * Each patient has a chest of their own (lungs, heart, ribs, diaphragm), shared by their images. An image holds 0–3
 * findings of the eight MS-CXR categories, from barely visible to gross; many hold **two of one category** whose
 * phrases differ only in side, zone or severity, so neither a saliency map nor a class map can tell which is meant.
 * Devices and granulomas are bright, mentioned, and not findings. Words for side, zone and severity are always true of
 * the image; right is the patient's right, which is on the left of the image. `meta.pair` is `side`, `zone` or
 * `severity` when there is such a pair. Comparisons with a prior study say nothing about the pixels.
 *
 * An image depends on the seed, its patient and its number only: a larger set begins with the smaller one.
 *
 * @param options `patients` 400, `imagesPerPatient` [1, 3], `size` 64, `findings` [0, 3], `pairRate` 0.7, `noise` 0.025.
 * @returns grey 8-bit images of `[size, size]`; boxes and masks in the same pixels.
 * @throws {DataError} naming an option outside its range.
 * @example
 * const { samples, counts } = phantomChest({ seed: 1, patients: 3, imagesPerPatient: [2, 2] });
 * counts.kept; // 6
 * samples[0].image.data.length; // 4096
 */
export function phantomChest(options: PhantomOptions = {}): Dataset {
  const settings: Required<PhantomOptions> = {
    seed: 0,
    patients: 400,
    imagesPerPatient: [1, 3],
    size: 64,
    findings: [0, 3],
    categories: phantomCategories,
    pairRate: 0.7,
    noise: 0.025,
    ...options,
  };
  const { seed, patients, imagesPerPatient, size, findings, categories, pairRate, noise } = settings;
  const check = (name: string, fine: boolean, wanted: string, got: unknown) => {
    if (!fine) throw new DataError(`phantomChest: ${name}: expected ${wanted}, got ${JSON.stringify(got)}`);
  };
  const isRange = (range: readonly number[], least: number) =>
    range.length === 2 && range.every(Number.isInteger) && range[0]! >= least && range[0]! <= range[1]!;
  check('seed', Number.isInteger(seed), 'a whole number', seed);
  check('patients', Number.isInteger(patients) && patients >= 1, 'a whole number >= 1', patients);
  check('imagesPerPatient', isRange(imagesPerPatient, 1), '[least, most] whole numbers >= 1', imagesPerPatient);
  check('size', Number.isInteger(size) && size >= 32, 'a whole number >= 32', size);
  check('findings', isRange(findings, 0) && findings[1] <= 3, '[least, most] whole numbers, 0 to 3', findings);
  check('pairRate', pairRate >= 0 && pairRate <= 1, 'a probability', pairRate);
  check('noise', noise >= 0 && noise <= 0.5, 'a number in 0…0.5', noise);
  const unknown = categories.filter((category) => !phantomCategories.includes(category));
  check(
    'categories',
    categories.length > 0 && unknown.length === 0,
    `names out of ${phantomCategories.join(', ')}`,
    categories,
  );

  const samples: Sample[] = [];
  for (let p = 0; p < patients; p++) {
    const random = randomStream(seed, 'patient', p);
    const anatomy = drawAnatomy(random);
    const images = random.integer(...(imagesPerPatient as [number, number]));
    const patientId = `p${String(p).padStart(5, '0')}`;
    for (let k = 0; k < images; k++) {
      samples.push(phantomImage(anatomy, `${patientId}-${k + 1}`, patientId, [seed, 'image', p, k], settings));
    }
  }
  return {
    name: 'phantom-chest',
    samples,
    counts: { rows: samples.length, kept: samples.length, dropped: {} },
    notes: [`Generated: seed ${seed}, ${patients} patients, ${size}×${size} pixels.`],
  };
}
