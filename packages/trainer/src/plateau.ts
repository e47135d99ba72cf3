import { checkChoice, checkNumber } from '@medalign/similarity';

/** Settings of {@link ReduceLROnPlateau}. */
export type PlateauOptions = {
  /** Rate to start from, > 0. */
  learningRate: number;
  /** 'min': lower is better (a loss); 'max': higher is better. */
  mode?: 'min' | 'max';
  /** The rate is multiplied by it, 0 < factor < 1. */
  factor?: number;
  /** Checks without improvement that are let pass. */
  patience?: number;
  /** How much better counts as better. */
  threshold?: number;
  /** 'rel': a share of the best value; 'abs': in the metric's unit. */
  thresholdMode?: 'rel' | 'abs';
  /** Checks after a cut during which nothing is counted. */
  cooldown?: number;
  /** The rate never falls below it. */
  minLearningRate?: number;
  /** A cut smaller than this is not made. */
  epsilon?: number;
};

/** Plain JSON; `best` is null before the first check, because JSON has no infinity. */
export type PlateauState = { learningRate: number; best: number | null; badChecks: number; cooldownLeft: number };

/**
 * Cuts the learning rate when a watched metric stops improving.
 *
 * PyTorch's `ReduceLROnPlateau`, check for check: a value is better if `value < best·(1 − threshold)` (mode 'min', 'rel');
 * after more than `patience` checks without one, `lr ← max(lr·factor, min)`, then `cooldown` checks are not counted. NaN
 * is never better. Defaults for factor and patience are those of PLAN's and GLoRIA's recipe (0.5 and 5).
 *
 * @param options see {@link PlateauOptions}; only `learningRate` is required.
 * @throws {OptionError} for a number outside its range.
 * @example
 * const plateau = new ReduceLROnPlateau({ learningRate: 1, patience: 1 });
 * [3, 2, 2, 2, 2, 2].map((loss) => plateau.step(loss)) // [1, 1, 1, 0.5, 0.5, 0.25]
 * plateau.state() // {"learningRate":0.25,"best":2,"badChecks":0,"cooldownLeft":0}
 */
export class ReduceLROnPlateau {
  readonly #options: Required<Omit<PlateauOptions, 'learningRate'>>;
  #state: PlateauState;

  constructor({
    learningRate,
    mode = 'min',
    factor = 0.5,
    patience = 5,
    threshold = 1e-4,
    thresholdMode = 'rel',
    cooldown = 0,
    minLearningRate = 0,
    epsilon = 1e-8,
  }: PlateauOptions) {
    checkNumber('learningRate', learningRate, { above: 0 });
    checkChoice('mode', mode, ['min', 'max']);
    checkNumber('factor', factor, { above: 0, maximum: 1 - Number.EPSILON });
    checkNumber('patience', patience, { minimum: 0, integer: true });
    checkNumber('threshold', threshold, { minimum: 0 });
    checkChoice('thresholdMode', thresholdMode, ['rel', 'abs']);
    checkNumber('cooldown', cooldown, { minimum: 0, integer: true });
    checkNumber('minLearningRate', minLearningRate, { minimum: 0 });
    checkNumber('epsilon', epsilon, { minimum: 0 });
    this.#options = { mode, factor, patience, threshold, thresholdMode, cooldown, minLearningRate, epsilon };
    this.#state = { learningRate, best: null, badChecks: 0, cooldownLeft: 0 };
  }

  /** The rate after the checks so far. */
  get learningRate(): number {
    return this.#state.learningRate;
  }

  /**
   * Takes one validation value.
   *
   * @param metric the watched value of this check (usually: of this epoch).
   * @returns the learning rate to use from here on.
   */
  step(metric: number): number {
    const { patience, cooldown, factor, minLearningRate, epsilon } = this.#options;
    const state = this.#state;
    if (this.#isBetter(metric)) {
      state.best = metric;
      state.badChecks = 0;
    } else {
      state.badChecks++;
    }
    if (state.cooldownLeft > 0) {
      state.cooldownLeft--;
      state.badChecks = 0;
    }
    if (state.badChecks > patience) {
      const reduced = Math.max(state.learningRate * factor, minLearningRate);
      if (state.learningRate - reduced > epsilon) state.learningRate = reduced;
      state.cooldownLeft = cooldown;
      state.badChecks = 0;
    }
    return state.learningRate;
  }

  /** State for a checkpoint, plain JSON. */
  state(): PlateauState {
    return { ...this.#state };
  }

  /** Takes over a saved state; the options stay those of the constructor. */
  loadState(state: PlateauState): void {
    this.#state = { ...state };
  }

  #isBetter(metric: number): boolean {
    const { mode, threshold, thresholdMode } = this.#options;
    const sign = mode === 'min' ? -1 : 1;
    const best = this.#state.best ?? sign * Number.NEGATIVE_INFINITY;
    const bound = thresholdMode === 'rel' ? best * (1 + sign * threshold) : best + sign * threshold;
    return mode === 'min' ? metric < bound : metric > bound;
  }
}
