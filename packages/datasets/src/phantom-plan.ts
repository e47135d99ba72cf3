import {
  type Lesion,
  type PhantomCategory,
  phantomCategories,
  type Side,
  usualZones,
  type Zone,
} from './phantom-lesions';
import { phrase, type Wording } from './phantom-report';
import type { Random } from './random';

/** How two findings of one category in one image are told apart: by nothing but these words. */
export type PairKind = 'side' | 'zone' | 'severity';

/** A lesion with the phrase that names it. */
export interface PlannedFinding {
  lesion: Lesion;
  phrase: string;
  /** Draws the lesion at another place that the phrase still describes, if the first one overlaps another finding. */
  twin: boolean;
}

const weighted = <T>(items: readonly (readonly [T, number])[], random: Random): T => {
  let rest = random.uniform() * items.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [item, weight] of items) {
    rest -= weight;
    if (rest < 0) return item;
  }
  return items.at(-1)![0];
};

const anySide = (random: Random): Side => (random.chance(0.5) ? 'right' : 'left');
const other = (side: Side): Side => (side === 'right' ? 'left' : 'right');

/** Severities inside one level, so that the level's word cannot tell two findings apart. */
const levels = [
  [0.15, 0.34],
  [0.36, 0.69],
  [0.71, 1],
] as const;

function single(category: PhantomCategory, random: Random): PlannedFinding {
  const zone = weighted(usualZones[category], random);
  const both = category === 'Edema' && random.chance(0.5);
  const sides: Side[] = both ? ['right', 'left'] : zone === 'cardiac' ? ['left'] : [anySide(random)];
  const lesion = { category, sides, zone, severity: random.between(0.05, 1) };
  const located = random.chance(0.85);
  const wording: Wording = { side: located, zone: located && random.chance(0.85), severity: random.chance(0.75) };
  return { lesion, phrase: phrase(lesion, wording, random), twin: false };
}

function pair(
  category: PhantomCategory,
  kind: PairKind,
  random: Random,
  twinStream: () => Random,
): [PlannedFinding, PlannedFinding] {
  const side = anySide(random);
  const first = weighted(usualZones[category], random);
  const others = usualZones[category].filter(([zone]) => zone !== first);
  const second = others.length ? weighted(others, random) : first;
  const apart = kind === 'side' || (kind === 'severity' && (others.length === 0 || random.chance(0.5)));
  const zones: [Zone, Zone] = apart ? [first, first] : [first, second];
  const sides: [Side, Side] = apart ? [side, other(side)] : [side, side];
  const [low, high] = random.pick(levels);
  const severities: [number, number] =
    kind === 'severity'
      ? [random.between(0.08, 0.3), random.between(0.75, 1)]
      : [random.between(low, high), random.between(low, high)];
  const wording: Wording =
    kind === 'severity'
      ? { side: false, zone: false, severity: true }
      : {
          side: kind === 'side' || random.chance(0.8),
          zone: kind === 'zone' || random.chance(0.6),
          severity: random.chance(0.6),
        };
  const make = (i: 0 | 1): PlannedFinding => {
    const lesion: Lesion = { category, sides: [sides[i]], zone: zones[i], severity: severities[i] };
    // The same stream for both: their phrases differ in the words for the one attribute, and in nothing else.
    return { lesion, phrase: phrase(lesion, wording, twinStream()), twin: true };
  };
  return [make(0), make(1)];
}

/**
 * Chooses what an image shows and how its report words it.
 *
 * @param count findings in the image.
 * @param categories the categories to draw from.
 * @param pairRate probability that an image with two findings or more has a same-category pair.
 */
export function planFindings(
  count: number,
  categories: readonly PhantomCategory[],
  pairRate: number,
  random: Random,
  twinStream: () => Random,
): { findings: PlannedFinding[]; pair: PairKind | undefined } {
  const findings: PlannedFinding[] = [];
  let kind: PairKind | undefined;
  const pairable = categories.filter((category) => category !== 'Cardiomegaly');
  let rest = random.shuffle(phantomCategories.filter((category) => categories.includes(category)));
  if (count >= 2 && pairable.length > 0 && random.chance(pairRate)) {
    const category = random.pick(pairable);
    const hasZones = usualZones[category].length > 1;
    const kinds: [PairKind, number][] = [
      ['side', 4],
      ['severity', 3],
      ['zone', hasZones ? 4 : 0],
    ];
    kind = weighted(kinds, random);
    findings.push(...pair(category, kind, random, twinStream));
    rest = rest.filter((c) => c !== category);
  }
  while (findings.length < count && rest.length > 0) findings.push(single(rest.shift()!, random));
  return { findings, pair: kind };
}
