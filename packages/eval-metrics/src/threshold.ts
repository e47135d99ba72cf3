import {
  checkChoice,
  checkMap,
  checkMask,
  checkNotEmpty,
  checkSameLength,
  type Mask,
  MetricError,
  type Numbers,
} from './checks';
import { above, knownPixels, scaleMinMax } from './mean-iou';

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

/** How a threshold is chosen: see {@link thresholdFromValidation}. */
export interface ThresholdOptions {
  metric?: 'dice' | 'intersectionOverUnion' | 'pixelAccuracy';
  candidates?: readonly number[];
  scaling?: 'minMax' | 'none';
}

/** The metric from the pixels in both, in the prediction, in the target, and all. */
const METRICS = {
  dice: (both: number, predicted: number, target: number) =>
    predicted + target === 0 ? 1 : (2 * both) / (predicted + target),
  intersectionOverUnion: (both: number, predicted: number, target: number) =>
    predicted + target === 0 ? 1 : both / (predicted + target - both),
  pixelAccuracy: (both: number, predicted: number, target: number, n: number) =>
    (n - predicted - target + 2 * both) / n,
};

/**
 * Chooses the threshold of a heat map on validation images, to be used unchanged on the test images (`applyThreshold`).
 *
 * For each candidate the metric is computed per image and averaged; the best candidate wins, the lower one on a tie. A threshold swept
 * on the test images themselves is an oracle: pass `oracle: true`, and the result says so. Where the maps of all images do not fit
 * into memory: {@link ThresholdSweep}.
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
  { oracle = false, ...options }: ThresholdOptions & { oracle?: boolean } = {},
): ChosenThreshold {
  checkNotEmpty('images', images);
  const sweep = new ThresholdSweep(options);
  images.forEach(({ map, mask }, i) => {
    sweep.add(map, mask, `images[${i}]`);
  });
  return sweep.choose({ oracle });
}

/**
 * {@link thresholdFromValidation} image by image: no map is kept, so any number of images fits.
 *
 * @throws {MetricError} as there; `choose` if nothing was added.
 * @example
 * const sweep = new ThresholdSweep({ candidates: [-0.5, 0, 0.2, 0.6] });
 * sweep.add([0, 10, 7, 5], [0, 1, 1, 0]);
 * sweep.choose().threshold; // 0
 */
export class ThresholdSweep {
  readonly #candidates: readonly number[];
  readonly #sums: Float64Array;
  readonly #metric: NonNullable<ThresholdOptions['metric']>;
  readonly #scaling: NonNullable<ThresholdOptions['scaling']>;
  #images = 0;

  constructor({
    metric = 'dice',
    candidates = Array.from({ length: 101 }, (_, i) => (i - 50) / 50),
    scaling = 'minMax',
  }: ThresholdOptions = {}) {
    checkNotEmpty('candidates', candidates);
    checkChoice('metric', metric, ['dice', 'intersectionOverUnion', 'pixelAccuracy']);
    checkChoice('scaling', scaling, ['minMax', 'none']);
    this.#candidates = [...candidates].sort((a, b) => a - b);
    this.#sums = new Float64Array(candidates.length);
    this.#metric = metric;
    this.#scaling = scaling;
  }

  /** Images so far. */
  get n(): number {
    return this.#images;
  }

  /** One image: `map` flat `[pixels]` (NaN = unknown, left out) and `mask` of 0 and 1. */
  add(map: Numbers, mask: Mask, name = 'image'): void {
    const { values, target } = prepare(map, mask, this.#scaling, name);
    const candidates = this.#candidates;
    // How many pixels, and how many of the target, lie above exactly the first k candidates.
    const all = new Float64Array(candidates.length + 1);
    const inside = new Float64Array(candidates.length + 1);
    for (let i = 0; i < values.length; i++) {
      const k = countBelow(candidates, values[i]!);
      all[k]! += 1;
      inside[k]! += target[i]!;
    }
    const positives = target.reduce((sum, value) => sum + value, 0);
    let [predicted, both] = [0, 0];
    for (let k = candidates.length - 1; k >= 0; k--) {
      predicted += all[k + 1]!;
      both += inside[k + 1]!;
      this.#sums[k]! += METRICS[this.#metric](both, predicted, positives, values.length);
    }
    this.#images += 1;
  }

  /** The best candidate for the images so far; `oracle` if they are the test images. */
  choose({ oracle = false }: { oracle?: boolean } = {}): ChosenThreshold {
    if (this.#images === 0)
      throw new MetricError('ThresholdSweep: no image was added. Fix: add the validation images.');
    const best = this.#sums.indexOf(Math.max(...this.#sums));
    const origin = oracle ? 'oracle: chosen on the test images' : 'chosen on validation images';
    return {
      threshold: this.#candidates[best]!,
      value: this.#sums[best]! / this.#images,
      variant: `${origin}, best mean ${this.#metric}, strictly above`,
      n: this.#images,
      oracle,
    };
  }
}

/**
 * The mask that a map predicts at a threshold, over the pixels that the map knows: what Dice and IoU are then computed on.
 *
 * @param map flat `[pixels]`; NaN = unknown, left out.
 * @param mask flat `[pixels]` of 0 and 1, the target.
 * @param options `threshold`, strictly above it is predicted; `scaling` as in {@link thresholdFromValidation}.
 * @returns prediction and target, both without the unknown pixels, and how many those were.
 * @throws {MetricError} if the lengths differ, the map holds ±Infinity or no known pixel, or the mask anything but 0 and 1.
 * @example
 * const { prediction, target } = applyThreshold([0, 10, 7, Number.NaN], [0, 1, 1, 0], { threshold: 0 });
 * dice(prediction, target).value; // 1
 */
export function applyThreshold(
  map: Numbers,
  mask: Mask,
  { threshold, scaling = 'minMax' }: { threshold: number; scaling?: 'minMax' | 'none' },
): { prediction: Uint8Array; target: Uint8Array; unknown: number } {
  checkChoice('scaling', scaling, ['minMax', 'none']);
  if (!Number.isFinite(threshold)) throw new MetricError(`threshold: expected a finite number, got ${threshold}.`);
  const { values, target } = prepare(map, mask, scaling, 'image');
  return { prediction: above(values, threshold), target, unknown: map.length - values.length };
}

function prepare(map: Numbers, mask: Mask, scaling: 'minMax' | 'none', name: string) {
  checkSameLength(`${name}.map`, map, `${name}.mask`, mask, 'pixel');
  checkMap(`${name}.map`, map);
  checkMask(`${name}.mask`, mask);
  const { values, target } = knownPixels(map, mask);
  checkNotEmpty(`${name}.map (known pixels)`, values);
  return { values: scaling === 'minMax' ? scaleMinMax(values).values : values, target };
}

/** How many of the ascending candidates are strictly below the value. */
function countBelow(candidates: readonly number[], value: number): number {
  let [low, high] = [0, candidates.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (candidates[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
