import type { MedRegionModality } from './medregion-types';
import { drawAnatomy, heartAt, lungAt, smoothStep, square, texture, tissue } from './phantom-anatomy';
import { length } from './phantom-region-lesions';
import type { Random } from './random';

/** One patient's anatomy, seen by one modality. Model coordinates: 0…1 from the left and from the top. */
export interface Scene {
  /** Grey (one value) or RGB, in 0…1. */
  paint: (x: number, y: number) => readonly number[];
  /** Whether a lesion may be centred here, and would stand out. */
  tissue: (x: number, y: number) => boolean;
}

const seedOf = (random: Random) => random.integer(0, 2 ** 31);

/** 1 inside an ellipse, 0 outside, soft at the rim. */
export function ellipse(
  x: number,
  y: number,
  cx: number,
  cy: number,
  rx: number,
  ry: number,
  softness = 0.008,
): number {
  const r = Math.sqrt(square((x - cx) / rx) + square((y - cy) / ry));
  return smoothStep((1 - r) * Math.min(rx, ry), softness);
}

/** 1 on a closed curve around an ellipse, 0 away from it. */
const ring = (x: number, y: number, cx: number, cy: number, rx: number, ry: number, width: number) =>
  Math.exp(-square(((Math.sqrt(square((x - cx) / rx) + square((y - cy) / ry)) - 1) * Math.min(rx, ry)) / width));

const mix = (a: number, b: number, share: number) => a + (b - a) * share;

function abdominal(random: Random): Scene {
  const [rx, ry] = [random.between(0.43, 0.47), random.between(0.36, 0.41)];
  const liver = { x: random.between(0.3, 0.34), y: random.between(0.42, 0.47) };
  const parenchyma = texture(22, seedOf(random), 'parenchyma');
  const gut = texture(7, seedOf(random), 'gut');
  const gas = random.between(0.52, 0.6);
  return {
    paint: (x, y) => {
      const body = ellipse(x, y, 0.5, 0.5, rx, ry);
      if (body < 0.01) return [0.02];
      let v = mix(0.2, 0.4 + 0.05 * gut(x, y), ellipse(x, y, 0.5, 0.5, 0.9 * rx, 0.88 * ry));
      v = mix(v, 0.53, ellipse(x, y, liver.x, liver.y, 0.2, 0.22));
      v = mix(v, 0.5, ellipse(x, y, 0.8, 0.47, 0.075, 0.12));
      for (const side of [-1, 1]) v = mix(v, 0.6, ellipse(x, y, 0.5 + 0.2 * side, 0.68, 0.055, 0.075));
      v = mix(v, 0.86, ellipse(x, y, 0.5, 0.74, 0.07, 0.06));
      v = mix(v, 0.3, ellipse(x, y, 0.5, 0.775, 0.022, 0.02));
      v = mix(v, 0.68, ellipse(x, y, 0.47, 0.62, 0.03, 0.03));
      v = mix(v, 0.04, ellipse(x, y, gas, 0.24, 0.09, 0.035, 0.015));
      return [mix(0.02, v + 0.018 * parenchyma(x, y), body)];
    },
    tissue: (x, y) =>
      ellipse(x, y, 0.5, 0.5, 0.85 * rx, 0.82 * ry) > 0.5 &&
      ellipse(x, y, 0.5, 0.75, 0.12, 0.12) < 0.1 &&
      ellipse(x, y, gas, 0.24, 0.12, 0.06) < 0.1,
  };
}

function boneAndJoint(random: Random): Scene {
  const joint = random.between(0.47, 0.53);
  const shaft = random.between(0.12, 0.14);
  const trabeculae = texture(30, seedOf(random), 'trabeculae');
  const muscle = texture(6, seedOf(random), 'muscle');
  const fibula = random.chance(0.5) ? 1 : -1;
  const width = (y: number) => shaft + 0.15 * Math.exp(-square((y - joint) / 0.13));
  const bone = (x: number, y: number) => {
    const gap = smoothStep(Math.abs(y - joint - 0.015 * Math.cos(14 * (x - 0.5))) - 0.02, 0.004);
    const long = smoothStep(width(y) - Math.abs(x - 0.5), 0.006) * gap;
    const thin = smoothStep(0.035 - Math.abs(x - 0.5 - fibula * 0.27), 0.005) * smoothStep(y - joint - 0.1, 0.01);
    return Math.max(long, thin);
  };
  return {
    paint: (x, y) => {
      const limb = smoothStep(0.4 - Math.abs(x - 0.5) + 0.03 * Math.cos(3 * (y - joint)), 0.01);
      const b = bone(x, y);
      const cortex = 0.14 * Math.exp(-square((width(y) - Math.abs(x - 0.5) - 0.015) / 0.012)) * b;
      const v = mix(0.26 + 0.025 * muscle(x, y), 0.56 + 0.03 * trabeculae(x, y), b) + cortex;
      return [mix(0.03, v, limb)];
    },
    tissue: (x, y) => Math.abs(x - 0.5) < 0.36 && y > 0.04 && y < 0.96,
  };
}

function breast(random: Random): Scene {
  const right = random.chance(0.5);
  const [rx, ry] = [random.between(0.72, 0.82), random.between(0.46, 0.5)];
  const glands = texture(9, seedOf(random), 'glands');
  const strands = texture(24, seedOf(random), 'strands');
  const density = random.between(0.05, 0.1);
  const flip = (x: number) => (right ? 1 - x : x);
  return {
    paint: (px, y) => {
      const x = flip(px);
      const inside = ellipse(x, y, 0, 0.5, rx, ry);
      if (inside < 0.01) return [0.015];
      const core = ellipse(x, y, 0.08, 0.5, 0.75 * rx, 0.75 * ry, 0.04);
      let v = 0.28 + 0.04 * strands(x, y) + core * (0.1 + density * glands(x, y) + 0.03 * strands(y, x));
      v += 0.2 * ring(x, y, 0, 0.5, 0.985 * rx, 0.985 * ry, 0.012);
      v = mix(v, 0.62, smoothStep(0.14 - 0.3 * y - x, 0.008));
      v = mix(v, 0.7, ellipse(x, y, rx, 0.5, 0.03, 0.03));
      return [mix(0.015, v, Math.max(inside, ellipse(x, y, rx, 0.5, 0.03, 0.03)))];
    },
    tissue: (px, y) => ellipse(flip(px), y, 0, 0.5, 0.88 * rx, 0.86 * ry) > 0.5,
  };
}

function cardiac(random: Random): Scene {
  const c = { x: random.between(0.5, 0.55), y: random.between(0.48, 0.54) };
  const outer = random.between(0.31, 0.35);
  const inner = outer * random.between(0.6, 0.68);
  const blood = texture(10, seedOf(random), 'blood');
  const chest = texture(6, seedOf(random), 'chest');
  return {
    paint: (x, y) => {
      let v = mix(0.05, 0.36 + 0.06 * chest(x, y), ellipse(x, y, 0.5, 0.5, 0.56, 0.5, 0.02));
      v = mix(v, 0.12, ellipse(x, y, 0.9, 0.42, 0.2, 0.3, 0.02));
      v = mix(v, 0.12, ellipse(x, y, 0.08, 0.3, 0.14, 0.24, 0.02));
      v = mix(v, 0.26, ellipse(x, y, c.x - 0.19, c.y - 0.02, 0.27, 0.3));
      v = mix(v, 0.55 + 0.02 * blood(x, y), ellipse(x, y, c.x - 0.19, c.y - 0.02, 0.24, 0.27));
      v = mix(v, 0.3, ellipse(x, y, c.x, c.y, outer, outer));
      v = mix(v, 0.55 + 0.025 * blood(x, y), ellipse(x, y, c.x, c.y, inner, inner));
      for (const [dx, dy] of [
        [0.12, -0.1],
        [0.09, 0.13],
      ] as const)
        v = mix(v, 0.32, ellipse(x, y, c.x + dx, c.y + dy, 0.035, 0.035));
      return [v];
    },
    tissue: (x, y) => ellipse(x, y, c.x - 0.06, c.y, outer + 0.1, outer + 0.04) > 0.5,
  };
}

function chest(random: Random): Scene {
  const anatomy = drawAnatomy(random);
  const density = tissue(anatomy);
  return {
    paint: (x, y) => {
      const heart = heartAt(anatomy, x, y);
      return [0.15 + 0.78 * density(x, y, lungAt(anatomy, 0, x, y) + lungAt(anatomy, 1, x, y), heart, 0.8) - 0.1];
    },
    tissue: (x, y) =>
      heartAt(anatomy, x, y) < 0.2 && Math.max(lungAt(anatomy, 0, x, y), lungAt(anatomy, 1, x, y)) > 0.5,
  };
}

function cranial(random: Random): Scene {
  const [rx, ry] = [random.between(0.37, 0.4), random.between(0.44, 0.47)];
  const gyri = texture(13, seedOf(random), 'gyri');
  const white = texture(5, seedOf(random), 'white');
  const horn = random.between(0.035, 0.05);
  return {
    paint: (x, y) => {
      const head = ellipse(x, y, 0.5, 0.5, rx + 0.055, ry + 0.045);
      if (head < 0.01) return [0.015];
      const skull = ellipse(x, y, 0.5, 0.5, rx + 0.035, ry + 0.03);
      const inside = ellipse(x, y, 0.5, 0.5, rx, ry);
      let v = mix(0.3, 0.85, skull);
      const rim = 1 - ellipse(x, y, 0.5, 0.5, 0.86 * rx, 0.86 * ry, 0.02);
      const fold = rim * smoothStep(Math.abs(gyri(x, y)) - 0.9, 0.15);
      v = mix(v, mix(0.47 + 0.02 * white(x, y) - 0.05 * rim, 0.22, fold), inside);
      v = mix(
        v,
        0.25,
        0.8 * inside * Math.exp(-square((x - 0.5) / 0.008)) * smoothStep(Math.abs(y - 0.5) - 0.16, 0.01),
      );
      for (const side of [-1, 1]) {
        const u = (x - 0.5) * side - 0.05 - 0.35 * square(y - 0.5);
        v = mix(v, 0.13, ellipse(u, y, 0, 0.49, horn, 0.15));
      }
      return [mix(0.015, v, head)];
    },
    tissue: (x, y) => ellipse(x, y, 0.5, 0.5, 0.88 * rx, 0.88 * ry) > 0.5 && ellipse(x, y, 0.5, 0.49, 0.1, 0.16) < 0.3,
  };
}

function dental(random: Random): Scene {
  const teeth = random.integer(4, 5);
  const phase = random.between(-0.05, 0.05);
  const bite = random.between(0.47, 0.53);
  const bone = texture(26, seedOf(random), 'bone');
  return {
    paint: (x, y) => {
      const u = (x + phase + 0.02 * Math.sin(9 * y)) * teeth;
      const across = Math.abs(u - Math.floor(u) - 0.5) * 2;
      const depth = Math.abs(y - bite - 0.012 * Math.cos(2 * Math.PI * u));
      let v = 0.36 + 0.05 * bone(x, y);
      v = mix(0.1, v, smoothStep(depth - 0.16, 0.012));
      const half = depth < 0.17 ? 0.92 - 0.5 * square((depth - 0.09) / 0.13) : 0.78 - 1.5 * (depth - 0.17);
      const tooth =
        smoothStep(half - across, 0.03) * smoothStep(depth - 0.012, 0.004) * smoothStep(0.43 - depth, 0.008);
      const enamel = depth < 0.17 ? smoothStep(0.075 - Math.min(depth, (0.95 - across) / 5), 0.01) : 0;
      v = mix(v, 0.55 + 0.16 * enamel, tooth);
      v = mix(v, 0.3, tooth * smoothStep(0.13 - across, 0.02) * smoothStep(depth - 0.09, 0.01));
      return [v];
    },
    tissue: (x, y) => x > 0.08 && x < 0.92 && Math.abs(y - bite) > 0.08 && y > 0.06 && y < 0.94,
  };
}

function gynaecological(random: Random): Scene {
  const speckle = texture(60, seedOf(random), 'speckle');
  const cloud = texture(6, seedOf(random), 'cloud');
  const tilt = random.between(-0.3, 0.3);
  const apex = -0.14;
  const inFan = (x: number, y: number) => {
    const r = length(x - 0.5, y - apex);
    const angle = Math.atan2(x - 0.5, y - apex);
    return smoothStep(r - 0.2, 0.006) * smoothStep(1.08 - r, 0.008) * smoothStep(0.56 - Math.abs(angle), 0.008);
  };
  return {
    paint: (x, y) => {
      const fan = inFan(x, y);
      if (fan < 0.01) return [0.01];
      const [dx, dy] = [x - 0.5, y - 0.56];
      const [u, v] = [Math.cos(tilt) * dx + Math.sin(tilt) * dy, Math.cos(tilt) * dy - Math.sin(tilt) * dx];
      let value = 0.36 + 0.06 * cloud(x, y) - 0.12 * (y - 0.5);
      value = mix(value, 0.48, ellipse(u, v, 0, 0, 0.3, 0.17, 0.012));
      value += 0.14 * ring(u, v, 0, 0, 0.3, 0.17, 0.014);
      value += 0.24 * Math.exp(-square(v / 0.018)) * smoothStep(0.18 - Math.abs(u), 0.02);
      value = mix(value, 0.04, ellipse(x, y, 0.5 + 0.25 * tilt, 0.23, 0.13, 0.05, 0.01));
      return [fan * value * (1 + 0.2 * speckle(x, y))];
    },
    tissue: (x, y) => inFan(x, y) > 0.9 && y > 0.36 && y < 0.86,
  };
}

export const greyScenes: Partial<Record<MedRegionModality, (random: Random) => Scene>> = {
  abdominal,
  'bone and joint': boneAndJoint,
  breast,
  cardiac,
  chest,
  cranial,
  dental,
  gynaecological,
};
