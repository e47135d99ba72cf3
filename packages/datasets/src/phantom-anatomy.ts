import { type Random, randomStream } from './random';

// Model coordinates: x from 0 (image left) to 1, y from 0 (top) to 1, for an upright frontal view.
// Side 0 is the patient's right lung, on the image's left; side 1 the patient's left lung.

/** The shape of one patient's chest; every image of the patient shares it. */
export interface Anatomy {
  midline: number;
  apex: number;
  /** Greatest distance of the lung's outer edge from the midline. */
  halfWidth: number;
  /** Height of the dome of the diaphragm under each lung. */
  dome: [number, number];
  heart: { x: number; y: number; width: number; height: number; tilt: number };
  ribs: { spacing: number; phase: number; contrast: number; bend: number };
  clavicle: number;
  bodyHalfWidth: number;
  stomachBubble: { x: number; y: number; radius: number } | undefined;
  textureSeed: number;
}

/** Draws one patient. */
export function drawAnatomy(random: Random): Anatomy {
  const halfWidth = random.between(0.355, 0.405);
  const dome = random.between(0.71, 0.77);
  const domeLeft = dome + random.between(0.008, 0.04);
  const midline = 0.5 + random.between(-0.012, 0.012);
  return {
    midline,
    apex: random.between(0.1, 0.14),
    halfWidth,
    dome: [dome, domeLeft],
    heart: {
      x: midline + random.between(0.035, 0.055),
      y: domeLeft - random.between(0.1, 0.125),
      width: halfWidth * random.between(0.4, 0.48),
      height: random.between(0.125, 0.15),
      tilt: random.between(0.3, 0.6),
    },
    ribs: {
      spacing: random.between(0.074, 0.09),
      phase: random.uniform(),
      contrast: random.between(0.045, 0.08),
      bend: random.between(0.9, 1.3),
    },
    clavicle: random.between(0.165, 0.2),
    bodyHalfWidth: halfWidth + random.between(0.055, 0.08),
    stomachBubble: random.chance(0.6)
      ? { x: midline + random.between(0.14, 0.2), y: domeLeft + random.between(0.07, 0.1), radius: 0.035 }
      : undefined,
    textureSeed: random.integer(0, 2 ** 31),
  };
}

/** `x ** 2` is several times slower here, and this runs for every pixel. */
export const square = (x: number) => x * x;

/** 0 below −3 softness, 1 above 3, and a cubic between: a logistic's shape and slope, without its exponential. */
export function smoothStep(value: number, softness: number): number {
  const t = 0.5 + value / (6 * softness);
  return t >= 1 ? 1 : t <= 0 ? 0 : t * t * (3 - 2 * t);
}

/** Distance of a point from the midline, towards the given side. */
export const lateral = (a: Anatomy, side: number, x: number) => (side === 0 ? a.midline - x : x - a.midline);

/** The borders of a lung at a distance `u` from the midline or at a height `y`. */
export const lungBorder = {
  top: (a: Anatomy, u: number) => a.apex + 1.7 * square(u - 0.165),
  bottom: (a: Anatomy, side: number, u: number) => a.dome[side]! + 1.9 * square(u - 0.16),
  outer: (a: Anatomy, y: number) => {
    const above = Math.max(0, 1 - (y - a.apex) / (a.dome[0] - a.apex));
    return a.halfWidth * (1 - 0.5 * square(above) * Math.sqrt(above));
  },
  inner: (a: Anatomy, y: number) => 0.05 + 0.03 * Math.max(0, (y - a.apex) / (a.dome[0] - a.apex)),
};

const EDGE = 0.007;

/** How much of the point is lung of this side, 0…1; the heart is not taken off. */
export function lungAt(a: Anatomy, side: number, x: number, y: number): number {
  const u = lateral(a, side, x);
  if (u < 0 || u > 0.48 || y < a.apex - 0.05 || y > a.dome[side]! + 0.25) return 0;
  return (
    smoothStep(lungBorder.outer(a, y) - u, EDGE) *
    smoothStep(u - lungBorder.inner(a, y), EDGE) *
    smoothStep(y - lungBorder.top(a, u), EDGE) *
    smoothStep(lungBorder.bottom(a, side, u) - y, EDGE)
  );
}

/** How much of the point is heart, 0…1. */
export function heartAt({ heart }: Anatomy, x: number, y: number): number {
  const dx = x - heart.x;
  const dy = y - heart.y;
  if (Math.abs(dx) > 0.4 || Math.abs(dy) > 0.4) return 0;
  const c = Math.cos(heart.tilt);
  const s = Math.sin(heart.tilt);
  const r = Math.sqrt(square((c * dx + s * dy) / heart.width) + square((c * dy - s * dx) / heart.height));
  return smoothStep((1 - r) * heart.height, EDGE);
}

/** Smooth random texture in about −2…2: a `cells`² grid of normal values, linearly interpolated. */
export function texture(cells: number, ...keys: (number | string)[]): (x: number, y: number) => number {
  const random = randomStream(...keys);
  const stride = cells + 1;
  const values = Float32Array.from({ length: stride * stride }, () => random.normal());
  return (x, y) => {
    const u = Math.min(0.9999, Math.max(0, x)) * cells;
    const v = Math.min(0.9999, Math.max(0, y)) * cells;
    const i = Math.floor(u);
    const at = Math.floor(v) * stride + i;
    const du = u - i;
    const dv = v - Math.floor(v);
    const above = values[at]! * (1 - du) + values[at + 1]! * du;
    const below = values[at + stride]! * (1 - du) + values[at + stride + 1]! * du;
    return above * (1 - dv) + below * dv;
  };
}

/** Attenuation without any finding: air near 0, soft tissue near 0.65, bone above. */
export function tissue(a: Anatomy): (x: number, y: number, lungs: number, heart: number, calm: number) => number {
  const vessels = texture(18, a.textureSeed, 'vessels');
  const tissueTexture = texture(7, a.textureSeed, 'tissue');
  const { ribs, stomachBubble: bubble } = a;
  // Each part is skipped where it is nil: the exponentials would otherwise take most of the time.
  return (x, y, lungs, heart, calm) => {
    const u = Math.abs(x - a.midline);
    const shoulders = y > 0.45 ? 0 : 0.02 + 0.5 * Math.max(0, u - 0.1) ** 1.3;
    const body = smoothStep(y - shoulders, 0.01) * smoothStep(a.bodyHalfWidth + 0.12 * Math.max(0, 0.3 - y) - u, 0.012);
    if (body < 0.002) return 0.02;

    const air = lungs * (1 - 0.93 * heart);
    let density = 0.64 + 0.02 * tissueTexture(x, y) - 0.44 * air + 0.07 * heart;
    if (air > 0.01) {
      const perfusion = Math.exp(-0.5 * (square((u - 0.1) / 0.075) + square((y - 0.43) / 0.1)));
      density += calm * air * (0.13 * perfusion + 0.045 * vessels(x, y) * (0.35 + perfusion));
    }

    const rib = Math.cos(2 * Math.PI * ((y - ribs.bend * square(u - 0.12)) / ribs.spacing + ribs.phase));
    if (rib > 0 && y > a.apex - 0.06) {
      const cage = smoothStep(lungBorder.outer(a, y) + 0.035 - u, 0.01) * smoothStep(a.dome[1] + 0.08 - y, 0.02);
      density += ribs.contrast * cage * square(rib) * smoothStep(u - 0.05, 0.01) * smoothStep(y - a.apex, 0.01);
    }

    const clavicle = (y - (a.clavicle - 0.22 * (u - 0.03))) / 0.016;
    if (Math.abs(clavicle) < 4) {
      density += 0.1 * Math.exp(-square(clavicle)) * smoothStep(u - 0.03, 0.008) * smoothStep(0.36 - u, 0.02);
    }
    if (u < 0.15) {
      density += Math.exp(-square(u / 0.038)) * (0.1 + 0.02 * Math.cos((2 * Math.PI * y) / 0.065));
      density -= 0.12 * Math.exp(-square(u / 0.02)) * smoothStep(0.33 - y, 0.02);
    }
    if (bubble && Math.abs(x - bubble.x) < 0.1 && Math.abs(y - bubble.y) < 0.1) {
      const { radius } = bubble;
      density -= 0.2 * Math.exp(-square(square((x - bubble.x) / radius) + square((y - bubble.y) / (0.6 * radius))));
    }
    return 0.02 + (density - 0.02) * body;
  };
}
