import { type Anatomy, lateral, lungBorder, smoothStep, square, texture } from './phantom-anatomy';
import type { Random } from './random';

/** The eight categories of MS-CXR, in its order. */
export const phantomCategories = [
  'Atelectasis',
  'Cardiomegaly',
  'Consolidation',
  'Edema',
  'Lung Opacity',
  'Pleural Effusion',
  'Pneumonia',
  'Pneumothorax',
] as const;

/** One of the names in {@link phantomCategories}. */
export type PhantomCategory = (typeof phantomCategories)[number];
export type Side = 'right' | 'left';
export type Zone = 'upper' | 'mid' | 'lower' | 'apical' | 'lateral' | 'basal' | 'perihilar' | 'cardiac';

/** What is to be seen: a category at a place with a severity in 0…1. `both` is one finding on both sides. */
export interface Lesion {
  category: PhantomCategory;
  sides: Side[];
  zone: Zone;
  severity: number;
}

/** Where each category occurs, with weights: usual places more often. */
// biome-ignore format: one category per line
export const usualZones: Record<PhantomCategory, readonly (readonly [Zone, number])[]> = {
  Atelectasis: [['lower', 5], ['mid', 3], ['upper', 2]],
  Cardiomegaly: [['cardiac', 1]],
  Consolidation: [['lower', 4], ['mid', 3], ['upper', 3]],
  Edema: [['perihilar', 1]],
  'Lung Opacity': [['lower', 1], ['mid', 1], ['upper', 1]],
  'Pleural Effusion': [['basal', 1]],
  Pneumonia: [['lower', 5], ['mid', 3], ['upper', 2]],
  Pneumothorax: [['apical', 3], ['lateral', 2]],
};

/** A value at a point, where lung (of the finding's side) and heart are known: 0…1 each. */
type Field = (x: number, y: number, lung: number, heart: number) => number;

/** A finding drawn into an image: attenuation to add, and how much the lung's own texture is hidden. */
export interface DrawnLesion {
  /** 0 the patient's right, 1 left. */
  side: number;
  /** 0…1, how much of the finding is at this point. Outside `extent` it is 0. */
  field: Field;
  /** Added attenuation at this point; without it, `amplitude · field`. */
  density?: Field;
  amplitude: number;
  /** Part of the peak that counts as inside the mask. */
  maskLevel: number;
  /** Model coordinates: left, top, right, bottom. */
  extent: [number, number, number, number];
}

const zoneHeights: Partial<Record<Zone, [number, number]>> = {
  upper: [0.16, 0.3],
  mid: [0.44, 0.56],
  lower: [0.72, 0.88],
};

type Shape = Omit<DrawnLesion, 'side'>;

/** A point inside the zone of a lung, away from its borders. */
function pointIn(a: Anatomy, side: number, zone: Zone, random: Random): [number, number] {
  const [low, high] = zoneHeights[zone]!;
  const height = random.between(low, high);
  const along = random.between(0.3, 0.75);
  let u = 0.16;
  let y = 0.4;
  // The lower border depends on u and the outer border on y, so each is settled with the other's last value.
  for (let i = 0; i < 3; i++) {
    y = lungBorder.top(a, u) + height * (lungBorder.bottom(a, side, u) - lungBorder.top(a, u));
    u = lungBorder.inner(a, y) + along * (lungBorder.outer(a, y) - lungBorder.inner(a, y));
  }
  return [side === 0 ? a.midline - u : a.midline + u, y];
}

const airOf = (lung: number, heart: number) => lung * (1 - 0.75 * heart);

const around = (x: number, y: number, rx: number, ry: number): DrawnLesion['extent'] => [
  x - rx,
  y - ry,
  x + rx,
  y + ry,
];

function consolidation(a: Anatomy, side: number, { zone, severity }: Lesion, random: Random): Shape {
  const [cx, cy] = pointIn(a, side, zone, random);
  const rx = (0.05 + 0.07 * severity) * random.between(0.85, 1.2);
  const ry = (0.045 + 0.065 * severity) * random.between(0.85, 1.2);
  const [p, q] = [random.between(0, 6.28), random.between(0, 6.28)];
  const bronchogram = texture(20, random.integer(0, 2 ** 31));
  return {
    field: (x, y, lung, heart) => {
      const dx = (x - cx) / rx;
      const dy = (y - cy) / ry;
      const angle = Math.atan2(dy, dx);
      const r = Math.sqrt(dx * dx + dy * dy) * (1 + 0.2 * Math.sin(3 * angle + p) + 0.12 * Math.sin(5 * angle + q));
      return smoothStep(1 - r, 0.1) * airOf(lung, heart) * (0.92 + 0.08 * bronchogram(x, y));
    },
    amplitude: 0.07 + 0.25 * severity,
    maskLevel: 0.45,
    extent: around(cx, cy, 1.9 * rx, 1.9 * ry),
  };
}

function opacity(a: Anatomy, side: number, { zone, severity }: Lesion, random: Random): Shape {
  const [cx, cy] = pointIn(a, side, zone, random);
  const rx = (0.065 + 0.075 * severity) * random.between(0.85, 1.2);
  const ry = (0.06 + 0.07 * severity) * random.between(0.85, 1.2);
  return {
    field: (x, y, lung, heart) => Math.exp(-0.9 * (square((x - cx) / rx) + square((y - cy) / ry))) * airOf(lung, heart),
    amplitude: 0.05 + 0.17 * severity,
    maskLevel: 0.4,
    extent: around(cx, cy, 2.4 * rx, 2.4 * ry),
  };
}

function pneumonia(a: Anatomy, side: number, { zone, severity }: Lesion, random: Random): Shape {
  const [cx, cy] = pointIn(a, side, zone, random);
  const radius = 0.055 + 0.06 * severity;
  const spots = Array.from({ length: random.integer(4, 5 + Math.round(4 * severity)) }, (_, i) => {
    const angle = 2.4 * i + random.between(0, 1);
    const distance = radius * Math.sqrt((i + random.uniform()) / 8);
    return { x: cx + distance * Math.cos(angle), y: cy + distance * Math.sin(angle), r: random.between(0.018, 0.03) };
  });
  return {
    field: (x, y, lung, heart) => {
      let sum = 0;
      for (const spot of spots) sum += Math.exp(-(square(x - spot.x) + square(y - spot.y)) / (2 * spot.r ** 2));
      return Math.min(1, sum) * airOf(lung, heart);
    },
    amplitude: 0.07 + 0.21 * severity,
    maskLevel: 0.35,
    extent: around(cx, cy, radius + 0.09, radius + 0.09),
  };
}

function atelectasis(a: Anatomy, side: number, { zone, severity }: Lesion, random: Random): Shape {
  const [cx, cy] = pointIn(a, side, zone, random);
  const half = 0.06 + 0.06 * severity;
  const thickness = random.between(0.011, 0.015) + 0.004 * severity;
  const tilt = random.between(-0.4, 0.4);
  const plates = severity < 0.35 ? 1 : severity < 0.7 ? 2 : 3;
  const spacing = random.between(0.04, 0.05);
  const [c, s] = [Math.cos(tilt), Math.sin(tilt)];
  return {
    field: (x, y, lung, heart) => {
      const along = c * (x - cx) + s * (y - cy);
      const across = c * (y - cy) - s * (x - cx);
      let sum = 0;
      for (let i = 0; i < plates; i++) {
        const offset = (i - (plates - 1) / 2) * spacing;
        sum +=
          Math.exp(-square((across - offset) / thickness)) * smoothStep(half * (1 - 0.15 * i) - Math.abs(along), 0.008);
      }
      return Math.min(1, sum) * airOf(lung, heart);
    },
    amplitude: 0.09 + 0.23 * severity,
    maskLevel: 0.35,
    extent: around(cx, cy, half + 0.05, half + 0.1),
  };
}

function edema(a: Anatomy, side: number, { severity }: Lesion, random: Random): Shape {
  const u = random.between(0.12, 0.15);
  const cx = side === 0 ? a.midline - u : a.midline + u;
  const cy = random.between(0.41, 0.46);
  const rx = 0.055 + 0.06 * severity;
  const ry = 0.085 + 0.085 * severity;
  const lines = texture(26, random.integer(0, 2 ** 31));
  return {
    field: (x, y, lung, heart) => {
      const r2 = square((x - cx) / rx) + square((y - cy) / ry);
      return Math.exp(-(r2 ** 1.2)) * airOf(lung, heart) * Math.max(0.4, 0.9 + 0.12 * lines(x, y));
    },
    amplitude: 0.06 + 0.2 * severity,
    maskLevel: 0.4,
    extent: around(cx, cy, 2.2 * rx, 2.2 * ry),
  };
}

function effusion(a: Anatomy, side: number, { severity }: Lesion, random: Random): Shape {
  const lowest = lungBorder.bottom(a, side, a.halfWidth - 0.015);
  const level = lowest - (0.05 + 0.25 * severity);
  const rise = random.between(0.03, 0.06);
  return {
    field: (x, y, lung, heart) => {
      const u = lateral(a, side, x);
      const surface = level + rise * (1 - (u / a.halfWidth) ** 3);
      return smoothStep(y - surface, 0.009) * lung * (1 - 0.95 * heart);
    },
    amplitude: 0.32 + 0.12 * severity,
    maskLevel: 0.45,
    extent: side === 0 ? [0, level - 0.08, a.midline, 1] : [a.midline, level - 0.08, 1, 1],
  };
}

function pneumothorax(a: Anatomy, side: number, { zone, severity }: Lesion, random: Random): Shape {
  const width = zone === 'apical' ? 0.06 + 0.12 * severity : 0.035 + 0.07 * severity;
  const wave = random.between(0, 6.28);
  const ends: [number, number] = zone === 'apical' ? [0, 1] : [random.between(0.34, 0.38), random.between(0.68, 0.76)];
  const depth = (x: number, y: number) => {
    const u = lateral(a, side, x);
    const edge = zone === 'apical' ? y - lungBorder.top(a, u) : lungBorder.outer(a, y) - u;
    return width * (1 + 0.12 * Math.sin(14 * (zone === 'apical' ? u : y) + wave)) - edge;
  };
  const within = (y: number) =>
    zone === 'apical' ? 1 : smoothStep(y - ends[0], 0.015) * smoothStep(ends[1] - y, 0.015);
  const amplitude = -(0.06 + 0.07 * severity);
  const field: Field = (x, y, lung, heart) => smoothStep(depth(x, y), 0.006) * within(y) * airOf(lung, heart);
  return {
    field,
    density: (x, y, lung, heart) => {
      // The visceral pleura is a thin bright line along the edge of the collapsed lung.
      const pleura = Math.exp(-square(depth(x, y) / 0.009)) * within(y) * airOf(lung, heart);
      return amplitude * field(x, y, lung, heart) + (0.07 + 0.05 * severity) * pleura;
    },
    amplitude,
    maskLevel: 0.5,
    extent: side === 0 ? [0, 0, a.midline, 1] : [a.midline, 0, 1, 1],
  };
}

function cardiomegaly(a: Anatomy): Shape {
  const reach = Math.max(a.heart.width, a.heart.height) + 0.05;
  return {
    field: (_x, y, _lung, heart) => heart * smoothStep(lungBorder.bottom(a, 1, 0.16) + 0.03 - y, 0.01),
    amplitude: 0,
    maskLevel: 0.5,
    extent: around(a.heart.x, a.heart.y, reach, reach),
  };
}

/** The patient's chest with the heart that the findings ask for: cardiothoracic ratio about 0.55 (mild) to 0.7. */
export function withHeartSize(a: Anatomy, lesions: readonly Lesion[]): Anatomy {
  const large = lesions.find((lesion) => lesion.category === 'Cardiomegaly');
  if (!large) return a;
  const grow = 1.17 + 0.38 * large.severity;
  const heart = { ...a.heart, width: a.heart.width * grow, height: a.heart.height * (1 + 0.6 * (grow - 1)) };
  heart.x += 0.02 * large.severity;
  return { ...a, heart };
}

const draw = {
  Atelectasis: atelectasis,
  Cardiomegaly: cardiomegaly,
  Consolidation: consolidation,
  Edema: edema,
  'Lung Opacity': opacity,
  'Pleural Effusion': effusion,
  Pneumonia: pneumonia,
  Pneumothorax: pneumothorax,
};

/** Draws a lesion: one part per side. */
export function drawLesion(a: Anatomy, lesion: Lesion, random: Random): DrawnLesion[] {
  return lesion.sides.map((name) => {
    const side = name === 'right' ? 0 : 1;
    return { side, ...draw[lesion.category](a, side, lesion, random) };
  });
}
