import type { MedRegionModality } from './medregion-types';
import { smoothStep, square } from './phantom-anatomy';
import type { Random } from './random';

export const sizes = ['small', 'large'] as const;
export const shapes = ['round', 'elongated', 'lobulated', 'annular'] as const;
export const textures = ['homogeneous', 'speckled', 'striated'] as const;
export const margins = ['well-defined', 'ill-defined', 'spiculated'] as const;
export const greyTones = { bright: [0.95], dark: [0.05] } as const;
export const colourTones = {
  red: [0.66, 0.02, 0.05],
  brown: [0.34, 0.17, 0.05],
  black: [0.06, 0.04, 0.05],
  yellow: [0.98, 0.87, 0.18],
  white: [0.97, 0.97, 0.95],
  purple: [0.33, 0.08, 0.52],
} as const;

/** `Math.hypot` takes ten times as long, and this runs for every pixel. */
export const length = (x: number, y: number) => Math.sqrt(x * x + y * y);

export type Tone = keyof typeof greyTones | keyof typeof colourTones;

/** How a lesion looks: every word is drawn. */
export interface Look {
  size: (typeof sizes)[number];
  shape: (typeof shapes)[number];
  texture: (typeof textures)[number];
  margin: (typeof margins)[number];
  tone: Tone;
}

/** A pathology and what it may look like; those of one modality never look the same. */
export interface Pathology {
  name: string;
  plural: string;
  shapes: readonly Look['shape'][];
  textures: readonly Look['texture'][];
  tones: readonly Tone[];
}

const solid = ['round', 'elongated', 'lobulated'] as const;
const compact = ['round', 'lobulated'] as const;
const ring = { shapes: ['annular'], textures: ['homogeneous'], tones: ['bright'] } as const;
const pathology = (
  name: string,
  looks: { shapes?: Pathology['shapes']; textures?: Pathology['textures']; tones: Pathology['tones'] },
  plural = `${name}s`,
): Pathology => ({ name, plural, shapes: solid, textures, ...looks });

export const pathologies: Record<MedRegionModality, readonly Pathology[]> = {
  abdominal: [
    pathology('cyst', { shapes: compact, textures: ['homogeneous'], tones: ['dark'] }),
    pathology('mass', { tones: ['bright'] }, 'masses'),
    pathology('abscess', ring, 'abscesses'),
  ],
  'bone and joint': [
    pathology('lytic lesion', { shapes: compact, tones: ['dark'] }),
    pathology('sclerotic lesion', { tones: ['bright'] }),
    pathology('fracture', { shapes: ['elongated'], tones: ['dark'] }),
  ],
  breast: [
    pathology('mass', { textures: ['homogeneous', 'striated'], tones: ['bright'] }, 'masses'),
    pathology('calcification', { textures: ['speckled'], tones: ['bright'] }),
    pathology('lipoma', { tones: ['dark'] }),
  ],
  cardiac: [
    pathology('thrombus', { tones: ['dark'] }, 'thrombi'),
    pathology('scar', { shapes: ['elongated'], tones: ['bright'] }),
    pathology('myxoma', { shapes: compact, tones: ['bright'] }),
  ],
  chest: [
    pathology('nodule', { tones: ['bright'] }),
    pathology('cavity', ring, 'cavities'),
    pathology('bulla', { shapes: compact, tones: ['dark'] }, 'bullae'),
  ],
  cranial: [
    pathology('tumor', { tones: ['bright'] }),
    pathology('infarct', { tones: ['dark'] }),
    pathology('abscess', ring, 'abscesses'),
  ],
  dental: [
    pathology('radiolucency', { shapes: compact, tones: ['dark'] }, 'radiolucencies'),
    pathology('restoration', { tones: ['bright'] }),
    pathology('root fracture', { shapes: ['elongated'], tones: ['dark'] }),
  ],
  dermatological: [
    pathology('nevus', { shapes: compact, tones: ['brown'] }, 'nevi'),
    pathology('melanoma', { tones: ['black'] }),
    pathology('plaque', { tones: ['red'] }),
  ],
  endoscopy: [
    pathology('polyp', { tones: ['red', 'purple'] }),
    pathology('ulcer', { tones: ['yellow', 'white'] }),
    pathology('clot', { shapes: compact, tones: ['black'] }),
  ],
  fundus: [
    pathology('hemorrhage', { tones: ['red'] }),
    pathology('exudate', { tones: ['yellow'] }),
    pathology('chorioretinal scar', { tones: ['white', 'black'] }),
  ],
  gynaecological: [
    pathology('ovarian cyst', { textures: ['homogeneous'], tones: ['dark'] }),
    pathology('fibroid', { tones: ['bright'] }),
    pathology('gestational sac', ring),
  ],
  'pathology slide': [
    pathology('tumor nest', { tones: ['purple'] }),
    pathology('pigment deposit', { tones: ['brown', 'black'] }),
    pathology('hemorrhage', { tones: ['red'] }),
  ],
};

/** Draws the looks of a finding. */
export function drawLook({ shapes, textures, tones }: Pathology, random: Random): Look {
  return {
    size: random.pick(sizes),
    shape: random.pick(shapes),
    texture: random.pick(textures),
    margin: random.pick(margins),
    tone: random.pick(tones),
  };
}

/** A lesion at a place, in parts of the image's width. */
export interface Lesion {
  x: number;
  y: number;
  /** Nothing is drawn further from the centre. */
  reach: number;
  /** How much of the point is lesion, 0…1. */
  cover: (x: number, y: number) => number;
  /** How much of that shows what is behind it, 0…1: the texture. */
  gaps: (x: number, y: number) => number;
}

export const drawRadius = (size: Look['size'], random: Random) =>
  size === 'small' ? random.between(0.078, 0.092) : random.between(0.15, 0.175);

/** Distance from the centre in units of the outline: 1 is the outline. */
function outline(shape: Look['shape'], random: Random): (angle: number) => number {
  const lobes = random.integer(3, 5);
  const phase = random.between(0, 6.28);
  if (shape === 'lobulated') return (angle) => 0.72 + 0.34 * Math.abs(Math.cos((lobes * angle + phase) / 2));
  if (shape === 'elongated')
    return (angle) => 1 / Math.sqrt(square(Math.cos(angle) / 1.5) + square(Math.sin(angle) / 0.5));
  return () => 1;
}

/** A lesion of this look with this radius around a point. */
export function drawLesion(
  { shape, texture, margin }: Look,
  x: number,
  y: number,
  radius: number,
  random: Random,
): Lesion {
  const turn = random.between(0, 6.28);
  const rim = outline(shape, random);
  const rays = random.integer(9, 11);
  const softness = margin === 'ill-defined' ? 0.115 * radius : 0.0035;
  const cover = (px: number, py: number) => {
    const distance = length(px - x, py - y);
    const angle = Math.atan2(py - y, px - x) - turn;
    let edge = radius * rim(angle);
    // Rays: thin, half a radius long, on a body that is a little smaller.
    if (margin === 'spiculated') edge = 0.82 * edge + 0.55 * radius * square(square(Math.cos((rays * angle) / 2)));
    const inside = smoothStep(edge - distance, softness);
    return shape === 'annular'
      ? inside * smoothStep(distance - 0.52 * radius, Math.min(softness, 0.06 * radius))
      : inside;
  };
  const grain = random.between(0, 6.28);
  const [c, s] = [Math.cos(grain), Math.sin(grain)];
  const gaps = (px: number, py: number) => {
    if (texture === 'homogeneous') return 0;
    const u = c * (px - x) + s * (py - y);
    const v = c * (py - y) - s * (px - x);
    // Rays stay whole, or they would be taken for texture.
    const angle = Math.atan2(py - y, px - x) - turn;
    const body = margin === 'spiculated' ? smoothStep(0.8 * radius * rim(angle) - length(px - x, py - y), 0.004) : 1;
    if (texture === 'striated') return 0.85 * body * smoothStep(Math.cos((2 * Math.PI * u) / 0.055), 0.15);
    const dots = Math.cos((2 * Math.PI * u) / 0.062) * Math.cos((2 * Math.PI * v) / 0.062);
    return 0.85 * body * smoothStep(dots - 0.12, 0.12);
  };
  const reach = radius * (shape === 'elongated' ? 1.6 : 1.1) + (margin === 'spiculated' ? 0.45 : 0.25) * radius;
  return { x, y, reach, cover, gaps };
}
