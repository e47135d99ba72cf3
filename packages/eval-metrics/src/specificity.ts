import { checkMap, checkMask, checkSameLength, type Mask, MetricError, type Numbers } from './checks';

/** One phrase of one image, with its map and its own region. */
export interface PhraseMap {
  imageId: string;
  category: string;
  /** Flat `[pixels]`; NaN = unknown. */
  map: Numbers;
  /** Flat `[pixels]` of 0 and 1. */
  mask: Mask;
}

/** One ordered pair of phrases of one image: does the map of the first prefer its own region? */
export interface SpecificityPair {
  imageId: string;
  category: string;
  otherCategory: string;
  /** 1 own region higher, 0 other region higher, ½ equal; null if a region is unknown or both are the same region. */
  outcome: 0 | 0.5 | 1 | null;
}

/** Share of pairs won, with the number of pairs behind it. */
export interface SpecificityShare {
  value: number | null;
  n: number;
}

/** Result of {@link specificity}. */
export interface Specificity extends SpecificityShare {
  variant: string;
  /** Level of a map that ignores the phrase. */
  chance: 0.5;
  /** Pairs of equal means, worth ½ each. */
  ties: number;
  /** Pairs left out: same region, or no known pixel in one of them. */
  excluded: number;
  images: number;
  /** Pairs of two findings of one category: only location words can tell them apart. */
  sameCategory: SpecificityShare;
  differentCategory: SpecificityShare;
  /** One row per ordered pair, for bootstraps by image and for merging (`summarizeSpecificity`). */
  pairs: SpecificityPair[];
}

/**
 * Specificity: does the map of a phrase prefer its own region over the region of another phrase of the same image?
 *
 * For every ordered pair (a, b) of phrases of one image, with M_a the map of a and R its region:
 *
 *     outcome = 1 if mean(M_a over R_a) > mean(M_a over R_b), ½ if equal, 0 otherwise
 *
 * A map that lights up every lesion whatever the phrase says scores ½ here, while its CNR may be high.
 *
 * @param phrases with `imageId`, `category`, `map` and `mask`; only phrases of the same image are compared.
 * @returns the share of pairs won (null without a pair), also for pairs of the same and of different categories.
 * @throws {MetricError} if sizes differ inside an image, or a mask holds anything but 0 and 1.
 * @example
 * const left = { imageId: 'a', category: 'nodule', map: [0.9, 0.1], mask: [1, 0] };
 * const right = { imageId: 'a', category: 'nodule', map: [0.8, 0.2], mask: [0, 1] };
 * specificity([left, right]).value; // 0.5
 * specificity([left, { ...right, map: [0.2, 0.8] }]).value; // 1
 */
export function specificity(phrases: readonly PhraseMap[]): Specificity {
  const byImage = new Map<string, PhraseMap[]>();
  phrases.forEach((phrase, i) => {
    checkSameLength(`phrases[${i}].map`, phrase.map, `phrases[${i}].mask`, phrase.mask, 'pixel');
    checkMap(`phrases[${i}].map`, phrase.map);
    checkMask(`phrases[${i}].mask`, phrase.mask);
    const group = byImage.get(phrase.imageId);
    if (!group) byImage.set(phrase.imageId, [phrase]);
    else if (group[0]!.map.length === phrase.map.length) group.push(phrase);
    else {
      throw new MetricError(
        `phrases[${i}].map: expected ${group[0]!.map.length} pixels as in the other maps of image '${phrase.imageId}', ` +
          `got ${phrase.map.length}. Fix: resize every map to the original image.`,
      );
    }
  });
  const pairs: SpecificityPair[] = [];
  for (const [imageId, group] of byImage) {
    for (const own of group) {
      for (const other of group) {
        if (own === other) continue;
        pairs.push({ imageId, category: own.category, otherCategory: other.category, outcome: compare(own, other) });
      }
    }
  }
  return summarizeSpecificity(pairs);
}

/**
 * Merges the pairs of many images, so that maps need not be kept in memory: call {@link specificity} per image, keep its `pairs`.
 *
 * @param pairs from any number of images.
 * @returns the same result as one call over all their phrases.
 * @example
 * const pair = { imageId: 'a', category: 'nodule', otherCategory: 'effusion', outcome: 1 } as const;
 * summarizeSpecificity([pair, { ...pair, outcome: 0 }, pair, pair]).value; // 0.75
 */
export function summarizeSpecificity(pairs: readonly SpecificityPair[]): Specificity {
  const defined = pairs.filter((pair) => pair.outcome !== null);
  const same = defined.filter((pair) => pair.category === pair.otherCategory);
  const different = defined.filter((pair) => pair.category !== pair.otherCategory);
  return {
    ...share(defined),
    variant: 'mean inside own region > mean inside the other region, ordered pairs of one image, ties ½',
    chance: 0.5,
    ties: defined.filter((pair) => pair.outcome === 0.5).length,
    excluded: pairs.length - defined.length,
    images: new Set(defined.map((pair) => pair.imageId)).size,
    sameCategory: share(same),
    differentCategory: share(different),
    pairs: [...pairs],
  };
}

function share(pairs: readonly SpecificityPair[]): SpecificityShare {
  const won = pairs.reduce((sum, pair) => sum + (pair.outcome ?? 0), 0);
  return { value: pairs.length ? won / pairs.length : null, n: pairs.length };
}

function compare(own: PhraseMap, other: PhraseMap): 0 | 0.5 | 1 | null {
  let [ownSum, ownCount, otherSum, otherCount, differs] = [0, 0, 0, 0, false];
  for (let i = 0; i < own.map.length; i++) {
    const value = own.map[i]!;
    if (Number.isNaN(value)) continue;
    const [inOwn, inOther] = [Boolean(own.mask[i]), Boolean(other.mask[i])];
    if (inOwn !== inOther) differs = true;
    if (inOwn) {
      ownSum += value;
      ownCount++;
    }
    if (inOther) {
      otherSum += value;
      otherCount++;
    }
  }
  if (!differs || ownCount === 0 || otherCount === 0) return null;
  const difference = ownSum / ownCount - otherSum / otherCount;
  // Means of equal values over regions of different sizes differ by rounding: that is a tie, not a preference.
  const rounding = 1e-12 * (Math.abs(ownSum / ownCount) + Math.abs(otherSum / otherCount));
  return Math.abs(difference) <= rounding ? 0.5 : difference > 0 ? 1 : 0;
}
