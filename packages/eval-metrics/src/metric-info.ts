/** What a number of this name means: needed to draw axes, to mark the better one, and to know what no skill scores. */
export interface MetricInfo {
  title: string;
  /** Smallest and largest possible value. */
  range: readonly [number, number];
  /** Which direction is better. */
  direction: 'higher' | 'lower';
  unit: 'share' | 'ratio' | 'dimensionless';
  /** Level of a system without skill; `'result'` if it depends on the data and is part of the result; null if there is none. */
  chance: number | 'result' | null;
}

const share = (title: string, chance: MetricInfo['chance']): MetricInfo => ({
  title,
  range: [0, 1],
  direction: 'higher',
  unit: 'share',
  chance,
});

/**
 * Range, direction, unit and chance level of each metric, by the name of its function (`signedCnr` for the signed value of CNR).
 *
 * @example
 * metricInfo.specificity.chance; // 0.5
 * metricInfo.contrastToNoise.direction; // "higher"
 */
export const metricInfo = {
  contrastToNoise: {
    title: 'CNR',
    range: [0, Number.POSITIVE_INFINITY],
    direction: 'higher',
    unit: 'ratio',
    chance: null,
  },
  signedCnr: {
    title: 'Signed CNR',
    range: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    direction: 'higher',
    unit: 'ratio',
    chance: 0,
  },
  specificity: share('Specificity', 0.5),
  pointingGame: share('Pointing game', null),
  meanIoU: share('mIoU', null),
  intersectionOverUnion: share('IoU', null),
  dice: share('Dice', null),
  pixelAccuracy: share('Pixel accuracy', 'result'),
  imageAccuracy: share('Image accuracy', 'result'),
  precisionAtK: share('Precision@K', 'result'),
  recallAtK: share('Recall@K', 'result'),
  auroc: share('AUROC', 0.5),
  macroAuroc: share('Macro AUROC', 0.5),
  accuracy: share('Accuracy', 'result'),
  vqaAccuracy: share('VQA accuracy', null),
  fewShotProbe: share('Few-shot accuracy', null),
} as const satisfies Record<string, MetricInfo>;
