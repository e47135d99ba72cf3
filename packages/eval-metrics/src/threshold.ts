import { checkChoice, checkMap, checkMask, checkNotEmpty, checkSameLength, type Mask, type Numbers } from './checks';
import { above, knownPixels, scaleMinMax } from './mean-iou';
import { dice, intersectionOverUnion, pixelAccuracy } from './overlap';

/** Result of {@link thresholdFromValidation}. */
export interface ChosenThreshold {
  threshold: number;
  /** The metric at that threshold, on the images it was chosen on. */
  value: number;
  variant: string;
  /** Images. */
  n: number;
  /** True if it was chosen on the test images: an upper bound, never a result. */
  oracle: boolean;
}

const METRICS = { dice, intersectionOverUnion, pixelAccuracy };

/**
 * Chooses the threshold of a heat map on validation images, to be used unchanged on the test images.
 *
 * For each candidate the metric is computed per image and averaged; the best candidate wins, the lower one on a tie. A threshold swept
 * on the test images themselves is an oracle: pass `oracle: true`, and the result says so.
 *
 * @param images the validation images: `map` flat `[pixels]` (NaN = unknown, left out) and `mask` of 0 and 1.
 * @param options `metric` to maximise; `candidates`, by default 101 from −1 to 1; `scaling` of each map to [−1, 1] (`'minMax'`) or
 * not (`'none'`: the candidates are in the map's own unit); `oracle`.
 * @returns the threshold (a pixel is predicted if strictly above it) and its value on these images.
 * @throws {MetricError} if there are no images or candidates, or map and mask differ in length.
 * @example
 * const images = [{ map: [0, 10, 7, 5], mask: [0, 1, 1, 0] }];
 * thresholdFromValidation(images, { candidates: [-0.5, 0, 0.2, 0.6] }).threshold; // 0
 * thresholdFromValidation(images, { candidates: [-0.5, 0, 0.2, 0.6] }).value; // 1
 */
export function thresholdFromValidation(
  images: readonly { map: Numbers; mask: Mask }[],
  {
    metric = 'dice',
    candidates = Array.from({ length: 101 }, (_, i) => (i - 50) / 50),
    scaling = 'minMax',
    oracle = false,
  }: {
    metric?: 'dice' | 'intersectionOverUnion' | 'pixelAccuracy';
    candidates?: readonly number[];
    scaling?: 'minMax' | 'none';
    oracle?: boolean;
  } = {},
): ChosenThreshold {
  checkNotEmpty('images', images);
  checkNotEmpty('candidates', candidates);
  checkChoice('metric', metric, ['dice', 'intersectionOverUnion', 'pixelAccuracy']);
  checkChoice('scaling', scaling, ['minMax', 'none']);
  const prepared = images.map(({ map, mask }, i) => {
    checkSameLength(`images[${i}].map`, map, `images[${i}].mask`, mask, 'pixel');
    checkMap(`images[${i}].map`, map);
    checkMask(`images[${i}].mask`, mask);
    const { values, target } = knownPixels(map, mask);
    checkNotEmpty(`images[${i}].map (known pixels)`, values);
    return { values: scaling === 'minMax' ? scaleMinMax(values).values : values, target };
  });
  const scored = [...candidates]
    .sort((a, b) => a - b)
    .map((threshold) => ({
      threshold,
      value:
        prepared.reduce((sum, { values, target }) => sum + METRICS[metric](above(values, threshold), target).value, 0) /
        images.length,
    }));
  const best = scored.reduce((winner, candidate) => (candidate.value > winner.value ? candidate : winner));
  const origin = oracle ? 'oracle: chosen on the test images' : 'chosen on validation images';
  return { ...best, variant: `${origin}, best mean ${metric}, strictly above`, n: images.length, oracle };
}
