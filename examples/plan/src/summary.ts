import { bootstrap, type GroundingSummary, type SpecificityPair, summarizeGrounding } from '@medalign/eval-metrics';
import type { Measurements } from './evaluate';
import type { MapKind } from './maps';

/** A number with its 95 % bootstrap interval over images. */
export interface Estimate {
  value: number | null;
  low: number | null;
  high: number | null;
  n: number;
}

/** The grounding numbers of one kind of map. */
export interface Grounding {
  kind: MapKind;
  cnr: Estimate;
  signedCnr: Estimate;
  wrongPhraseCnr: Estimate;
  wrongPhraseSignedCnr: Estimate;
  pointing: Estimate;
  meanIoU: Estimate;
  specificity: Estimate;
  /** Pairs of two findings of one category in one image: only location and severity words tell them apart. */
  sameCategorySpecificity: Estimate;
  categories: Record<
    string,
    {
      mean: number | null;
      std: number | null;
      n: number;
      signedMean: number | null;
      signedStd: number | null;
      pointing: number | null;
    }
  >;
  saturated: number;
  phrases: number;
  images: number;
}

export function summarize(
  measured: Measurements,
  kind: MapKind,
  options: { resamples: number; seed: number },
): Grounding | undefined {
  const records = measured.records.filter((record) => record.kind === kind);
  if (records.length === 0) return undefined;
  const summary = summarizeGrounding(records, options);
  const pairs = measured.pairs[kind];
  const same = pairs.filter((pair) => pair.category === pair.otherCategory);
  const { cnr, signedCnr, pointing } = summary.metrics;
  return {
    kind,
    cnr: estimate(summary, 'cnr'),
    signedCnr: estimate(summary, 'signedCnr'),
    wrongPhraseCnr: estimate(summary, 'wrongPhraseCnr'),
    wrongPhraseSignedCnr: estimate(summary, 'wrongPhraseSignedCnr'),
    pointing: estimate(summary, 'pointing'),
    meanIoU: estimate(summary, 'meanIoU'),
    specificity: shareWon(pairs, options),
    sameCategorySpecificity: shareWon(same, options),
    categories: Object.fromEntries(
      Object.entries(cnr!.categories).map(([name, { mean, std, n }]) => {
        const signed = signedCnr!.categories[name]!;
        return [
          name,
          { mean, std, n, signedMean: signed.mean, signedStd: signed.std, pointing: pointing!.categories[name]!.mean },
        ];
      }),
    ),
    saturated: summary.saturated.total,
    phrases: summary.n,
    images: summary.images,
  };
}

function estimate({ metrics }: GroundingSummary, name: string): Estimate {
  const { value, low, high, n } = metrics[name]!;
  return { value, low, high, n };
}

function shareWon(pairs: readonly SpecificityPair[], options: { resamples: number; seed: number }): Estimate {
  const decided = pairs.filter((pair) => pair.outcome !== null);
  if (decided.length === 0) return { value: null, low: null, high: null, n: 0 };
  const mean = (items: readonly SpecificityPair[]) =>
    items.reduce((sum, pair) => sum + pair.outcome!, 0) / items.length;
  const { value, low, high } = bootstrap(decided, mean, { ...options, by: (pair) => pair.imageId });
  return { value, low, high, n: decided.length };
}

/** Mean of both directions of recall at k, with the level of a random order. */
export function recallOf(measured: Measurements, k: 1 | 5 | 10) {
  const recall = measured.retrieval?.at[k];
  if (!recall) return { value: null, chance: null, imageToText: null, textToImage: null };
  const { imageToText, textToImage } = recall;
  return {
    value: (imageToText.value! + textToImage.value!) / 2,
    chance: (imageToText.chance! + textToImage.chance!) / 2,
    imageToText: imageToText.value,
    textToImage: textToImage.value,
  };
}

/** The numbers of one evaluation, as `--json` prints them. */
export function toJson(measured: Measurements, grounding: Grounding | undefined) {
  return {
    map: grounding?.kind ?? null,
    cnrMacro: grounding?.cnr.value ?? null,
    signedCnr: grounding?.signedCnr.value ?? null,
    specificity: grounding?.specificity.value ?? null,
    sameCategorySpecificity: grounding?.sameCategorySpecificity.value ?? null,
    pointing: grounding?.pointing.value ?? null,
    wrongPhraseCnr: grounding?.wrongPhraseCnr.value ?? null,
    wrongPhraseSignedCnr: grounding?.wrongPhraseSignedCnr.value ?? null,
    recallAt1: recallOf(measured, 1).value,
    recallAt5: recallOf(measured, 5).value,
    recallAt10: recallOf(measured, 10).value,
    gallery: measured.retrieval?.gallery ?? 0,
    cnr: Object.fromEntries(
      Object.entries(grounding?.categories ?? {}).map(([name, { mean, std, n, signedMean, signedStd }]) => [
        name,
        { mean, std, n, signedMean, signedStd },
      ]),
    ),
    intervals: grounding && {
      cnrMacro: interval(grounding.cnr),
      signedCnr: interval(grounding.signedCnr),
      specificity: interval(grounding.specificity),
      sameCategorySpecificity: interval(grounding.sameCategorySpecificity),
      pointing: interval(grounding.pointing),
      wrongPhraseCnr: interval(grounding.wrongPhraseCnr),
    },
  };
}

const interval = ({ low, high }: Estimate) => [low, high];
