import { type Anatomy, square } from './phantom-anatomy';
import type { Distractor } from './phantom-report';
import type { Random } from './random';

/** Bright things that are not findings: lines, pacemakers, granulomas. What is drawn is what the report mentions. */
export function drawDistractors(anatomy: Anatomy, random: Random) {
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
