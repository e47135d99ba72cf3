import { checkMatrix, checkNotEmpty, checkScores, checkWhole, type Matrix, MetricError, type Numbers } from './checks';

/** An identity: equal ids are the same report, the same study, the same class. */
export type Id = string | number;

/** One direction of {@link recallAtK}. */
export interface DirectedRecall {
  /** Recall at K. */
  value: number | null;
  variant: string;
  /** Queries that have a positive in the gallery. */
  n: number;
  /** Queries without one, left out. */
  excluded: number;
  gallery: number;
  k: number;
  /** Expected value of a random order. */
  chance: number | null;
}

/** Result of {@link recallAtK}. */
export interface RecallAtK {
  imageToText: DirectedRecall;
  textToImage: DirectedRecall;
  variant: string;
  n: number;
}

/** Result of {@link precisionAtK}. */
export interface PrecisionAtK {
  value: number | null;
  variant: string;
  /** Queries. */
  n: number;
  gallery: number;
  k: number;
  /** Expected value of a random order: the mean share of the query's class in the gallery. */
  chance: number | null;
}

/**
 * Recall@K in both directions: the share of queries with at least one positive among their K best.
 *
 * Equal ids are positives of each other, so repeated reports ("no finding") are not counted as errors. A query without a
 * positive is left out and counted. Ties go to the lower index. Only the order counts: any increasing map of the scores
 * gives the same result, negative ones included. Chance is `mean over queries of 1 − C(m − p, K) / C(m, K)`,
 * with m the gallery and p the positives of the query.
 *
 * @param scores `[images][texts]`, higher is more alike.
 * @param options `k`; `imageIds` and `textIds`, by default the index (image i belongs to text i).
 * @returns image → text and text → image, each with n, excluded, gallery size and chance level.
 * @throws {MetricError} if the sizes disagree, a score is NaN, or K is larger than a gallery.
 * @example
 * const scores = [[0.9, 0.1, 0.2], [0.8, 0.3, 0.1], [0.1, 0.2, 0.7]];
 * recallAtK(scores, { k: 1 }).imageToText.value; // 0.6667
 * recallAtK(scores, { k: 1, imageIds: ['a', 'a', 'b'], textIds: ['a', 'a', 'b'] }).imageToText.value; // 1
 */
export function recallAtK(
  scores: Matrix,
  {
    k,
    imageIds = Array.from({ length: scores.length }, (_, i) => i),
    textIds = Array.from({ length: scores[0]?.length ?? 0 }, (_, i) => i),
  }: { k: number; imageIds?: readonly Id[]; textIds?: readonly Id[] },
): RecallAtK {
  check(scores, imageIds, textIds);
  checkGallery(k, textIds.length, 'texts');
  checkGallery(k, imageIds.length, 'images');
  const columns = textIds.map((_, j) => Array.from(scores, (row) => row[j]!));
  const imageToText = directedRecall(scores, imageIds, textIds, k);
  const textToImage = directedRecall(columns, textIds, imageIds, k);
  return { imageToText, textToImage, variant: imageToText.variant, n: imageToText.n + textToImage.n };
}

/**
 * Precision@K: the share of the K best that have the query's class, averaged over the queries.
 *
 * Ties go to the lower index; a query whose class is absent from the gallery scores 0. A random order scores the share of
 * the query's class in the gallery: 20 % on a balanced five-class set, whatever K.
 *
 * @param scores `[queries][gallery]`, higher is more alike.
 * @param options `k`, `queryClasses`, `galleryClasses`.
 * @returns the mean, with the gallery size and the chance level.
 * @throws {MetricError} if the sizes disagree, a score is NaN, or K is larger than the gallery.
 * @example
 * const classes = { queryClasses: ['edema'], galleryClasses: ['edema', 'normal', 'edema', 'normal'] };
 * precisionAtK([[0.9, 0.8, 0.1, 0.2]], { k: 2, ...classes }).value; // 0.5
 * @see Zhang et al. 2020, arXiv 2010.00747 (CheXpert 8×200)
 */
export function precisionAtK(
  scores: Matrix,
  { k, queryClasses, galleryClasses }: { k: number; queryClasses: readonly Id[]; galleryClasses: readonly Id[] },
): PrecisionAtK {
  check(scores, queryClasses, galleryClasses);
  checkGallery(k, galleryClasses.length, 'items');
  let [hits, chance] = [0, 0];
  queryClasses.forEach((own, i) => {
    hits += best(scores[i]!, k).filter((j) => galleryClasses[j] === own).length / k;
    chance += galleryClasses.filter((other) => other === own).length / galleryClasses.length;
  });
  return {
    value: hits / queryClasses.length,
    variant: 'same class among the K best, mean over queries, ties to the lower index',
    n: queryClasses.length,
    gallery: galleryClasses.length,
    k,
    chance: chance / queryClasses.length,
  };
}

function directedRecall(scores: Matrix, queries: readonly Id[], gallery: readonly Id[], k: number): DirectedRecall {
  const sizes = new Map<Id, number>();
  for (const id of gallery) sizes.set(id, (sizes.get(id) ?? 0) + 1);
  let [hits, chance, n] = [0, 0, 0];
  queries.forEach((id, i) => {
    const positives = sizes.get(id);
    if (!positives) return;
    n++;
    if (best(scores[i]!, k).some((j) => gallery[j] === id)) hits++;
    let miss = 1;
    for (let draw = 0; draw < k; draw++)
      miss *= Math.max(0, gallery.length - positives - draw) / (gallery.length - draw);
    chance += 1 - miss;
  });
  return {
    value: n ? hits / n : null,
    variant: 'at least one positive among the K best, equal ids positive, ties to the lower index',
    n,
    excluded: queries.length - n,
    gallery: gallery.length,
    k,
    chance: n ? chance / n : null,
  };
}

function best(scores: Numbers, k: number): number[] {
  return Array.from(scores, (_, j) => j)
    .sort((a, b) => (scores[a] === scores[b] ? a - b : scores[b]! > scores[a]! ? 1 : -1))
    .slice(0, k);
}

function check(scores: Matrix, queries: readonly Id[], gallery: readonly Id[]): void {
  checkNotEmpty('scores', scores);
  checkNotEmpty('gallery', gallery);
  checkMatrix('scores', scores, queries.length, gallery.length);
  for (let i = 0; i < scores.length; i++) checkScores(`scores[${i}]`, scores[i]!);
}

function checkGallery(k: number, size: number, what: string): void {
  checkWhole('k', k, 1);
  if (k > size) {
    throw new MetricError(
      `k: expected at most ${size}, the number of ${what} to choose from, got ${k}. Fix: a smaller k.`,
    );
  }
}
