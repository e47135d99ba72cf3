import type { MedRegionModality } from './medregion-types';
import { smoothStep, square, texture } from './phantom-anatomy';
import { ellipse, type Scene } from './phantom-region-grey';
import { length } from './phantom-region-lesions';
import type { Random } from './random';

type Colour = readonly [number, number, number];

const seedOf = (random: Random) => random.integer(0, 2 ** 31);
// Written out, since these run several times for every pixel.
const mix = (a: Colour, b: Colour, share: number): Colour =>
  share === 0 ? a : [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share];
const shade = (c: Colour, by: number): Colour => [c[0] * by, c[1] * by, c[2] * by];

/** A thin curve from a point, wandering: hairs and vessels. */
interface Strand {
  points: { x: number; y: number }[];
  width: number;
}

function strand(
  x: number,
  y: number,
  angle: number,
  reach: number,
  bend: number,
  width: number,
  random: Random,
): Strand {
  const points = [{ x, y }];
  const steps = 10;
  for (let i = 0; i < steps; i++) {
    const last = points[i]!;
    angle += random.between(-bend, bend);
    points.push({ x: last.x + (reach / steps) * Math.cos(angle), y: last.y + (reach / steps) * Math.sin(angle) });
  }
  return { points, width };
}

/** How much of the point lies on one of the strands, 0…1. */
function onStrands(strands: readonly Strand[], x: number, y: number): number {
  let most = 0;
  for (const { points, width } of strands) {
    const near = 3 * width;
    for (let i = 1; i < points.length; i++) {
      const [a, b] = [points[i - 1]!, points[i]!];
      // Most points are far from most pieces, and this runs for every pixel.
      if (Math.min(a.x, b.x) - near > x || Math.max(a.x, b.x) + near < x) continue;
      if (Math.min(a.y, b.y) - near > y || Math.max(a.y, b.y) + near < y) continue;
      const [dx, dy] = [b.x - a.x, b.y - a.y];
      const along = Math.min(1, Math.max(0, ((x - a.x) * dx + (y - a.y) * dy) / (dx * dx + dy * dy)));
      const distance = length(x - a.x - along * dx, y - a.y - along * dy);
      if (distance < near) most = Math.max(most, Math.exp(-square(distance / width)));
    }
  }
  return most;
}

function dermatological(random: Random): Scene {
  const skin = random.pick<Colour>([
    [0.93, 0.76, 0.66],
    [0.87, 0.68, 0.55],
    [0.78, 0.58, 0.45],
  ]);
  const pores = texture(34, seedOf(random), 'pores');
  const tan = texture(5, seedOf(random), 'tan');
  const hairs = Array.from({ length: random.integer(2, 6) }, () => {
    const [x, y] = [random.uniform(), random.uniform()];
    return strand(x, y, random.between(0, 6.28), random.between(0.3, 0.6), 0.25, 0.004, random);
  });
  return {
    paint: (x, y) => {
      const light = 1 - 0.35 * (square(x - 0.5) + square(y - 0.5));
      const base = shade(skin, light * (1 + 0.022 * pores(x, y) + 0.03 * tan(x, y)));
      return mix(base, [0.2, 0.13, 0.1], 0.75 * onStrands(hairs, x, y));
    },
    tissue: (x, y) => x > 0.07 && x < 0.93 && y > 0.07 && y < 0.93,
  };
}

function endoscopy(random: Random): Scene {
  const lumen = { x: random.between(0.42, 0.58), y: random.between(0.42, 0.58), r: random.between(0.08, 0.11) };
  const mucosa = texture(9, seedOf(random), 'mucosa');
  const wave = random.between(0, 6.28);
  const vessels = Array.from({ length: 5 }, () =>
    strand(random.uniform(), random.uniform(), random.between(0, 6.28), 0.4, 0.6, 0.005, random),
  );
  const shine = Array.from({ length: 4 }, () => ({ x: random.between(0.2, 0.8), y: random.between(0.2, 0.8) }));
  const view = (x: number, y: number) => {
    const [u, v] = [Math.abs(x - 0.5), Math.abs(y - 0.5)];
    return smoothStep(0.475 - Math.max(u, v, 0.74 * (u + v)), 0.006);
  };
  return {
    paint: (x, y) => {
      const r = length(x - lumen.x, y - lumen.y);
      const angle = Math.atan2(y - lumen.y, x - lumen.x);
      const fold = Math.cos(30 * Math.sqrt(r + 0.02) + 0.7 * Math.sin(3 * angle + wave));
      let c: Colour = shade(
        [0.87, 0.52, 0.45],
        0.92 + 0.1 * fold + 0.045 * mucosa(x, y) - 0.12 * smoothStep(0.2 - r, 0.05),
      );
      c = mix(c, [0.68, 0.28, 0.27], 0.6 * onStrands(vessels, x, y));
      c = mix(c, [0.22, 0.07, 0.06], smoothStep(lumen.r - r, 0.02));
      for (const s of shine) c = mix(c, [1, 0.97, 0.94], 0.9 * ellipse(x, y, s.x, s.y, 0.012, 0.008, 0.003));
      return shade(c, view(x, y));
    },
    tissue: (x, y) =>
      view(x, y) > 0.9 &&
      view(x + 0.05 * Math.sign(x - 0.5), y + 0.05 * Math.sign(y - 0.5)) > 0.9 &&
      length(x - lumen.x, y - lumen.y) > lumen.r + 0.05,
  };
}

function fundus(random: Random): Scene {
  const side = random.chance(0.5) ? 1 : -1;
  const disc = { x: 0.5 + side * random.between(0.25, 0.29), y: random.between(0.47, 0.53) };
  const macula = { x: 0.5 - side * 0.08, y: disc.y + 0.02 };
  const choroid = texture(12, seedOf(random), 'choroid');
  const vessels = [-1, 1].flatMap((up) =>
    [0, 1, 2].map((i) => {
      const away = side > 0 ? Math.PI : 0;
      const angle = i < 2 ? away + up * side * (0.75 + 0.35 * i) : Math.PI - away + up * 0.8;
      return strand(disc.x, disc.y, angle, i < 2 ? 0.62 : 0.25, 0.16, 0.009 - 0.0015 * i, random);
    }),
  );
  return {
    paint: (x, y) => {
      const eye = ellipse(x, y, 0.5, 0.5, 0.47, 0.47, 0.005);
      if (eye < 0.01) return [0.01, 0.01, 0.01];
      const r = length(x - 0.5, y - 0.5);
      let c: Colour = shade([0.85, 0.45, 0.2], 1.02 - 0.9 * square(r) + 0.035 * choroid(x, y));
      c = mix(c, [0.5, 0.2, 0.08], 0.75 * Math.exp(-square(length(x - macula.x, y - macula.y) / 0.055)));
      c = mix(c, [1, 0.88, 0.6], ellipse(x, y, disc.x, disc.y, 0.065, 0.075, 0.006));
      c = mix(c, [0.52, 0.11, 0.07], 0.9 * onStrands(vessels, x, y));
      return shade(c, eye);
    },
    tissue: (x, y) => length(x - 0.5, y - 0.5) < 0.4 && length(x - disc.x, y - disc.y) > 0.12,
  };
}

function pathologySlide(random: Random): Scene {
  const fibres = texture(16, seedOf(random), 'fibres');
  const cells = 15;
  const jitter = Array.from({ length: (cells + 2) ** 2 }, () => ({
    x: random.between(-0.35, 0.35),
    y: random.between(-0.35, 0.35),
    r: random.between(0.2, 0.32),
  }));
  const glands = Array.from({ length: random.integer(3, 4) }, () => ({
    x: random.between(0.05, 0.95),
    y: random.between(0.05, 0.95),
    r: random.between(0.05, 0.075),
  }));
  const nucleus = (x: number, y: number) => {
    const [i, j] = [Math.floor(x * cells), Math.floor(y * cells)];
    let most = 0;
    for (let b = j - 1; b <= j + 1; b++) {
      for (let a = i - 1; a <= i + 1; a++) {
        const at =
          jitter[
            ((((b + 1) % (cells + 2)) + cells + 2) % (cells + 2)) * (cells + 2) +
              ((((a + 1) % (cells + 2)) + cells + 2) % (cells + 2))
          ]!;
        const distance = length(x * cells - a - 0.5 - at.x, y * cells - b - 0.5 - at.y);
        most = Math.max(most, smoothStep(at.r - distance, 0.05));
      }
    }
    return most;
  };
  return {
    paint: (x, y) => {
      let c: Colour = shade([0.93, 0.71, 0.81], 1 + 0.035 * fibres(x, y) + 0.02 * Math.sin(40 * (x + 0.4 * y)));
      c = mix(c, [0.55, 0.38, 0.66], 0.75 * nucleus(x, y));
      for (const g of glands) {
        const r = length(x - g.x, y - g.y);
        c = mix(c, [0.62, 0.42, 0.7], 0.85 * smoothStep(g.r + 0.028 - r, 0.006));
        c = mix(c, [0.97, 0.93, 0.96], smoothStep(g.r - r, 0.006));
      }
      return c;
    },
    tissue: (x, y) => x > 0.06 && x < 0.94 && y > 0.06 && y < 0.94,
  };
}

export const colourScenes: Partial<Record<MedRegionModality, (random: Random) => Scene>> = {
  dermatological,
  endoscopy,
  fundus,
  'pathology slide': pathologySlide,
};
