import { checkNumber } from '@medalign/similarity';

/** Learning rate as a pure function of the step (0, 1, 2, …): nothing to save, resume at any step. */
export type Schedule = (step: number) => number;

/**
 * The same learning rate at every step.
 *
 * @example
 * constantRate({ learningRate: 1e-4 })(1000) // 0.0001
 */
export function constantRate({ learningRate }: { learningRate: number }): Schedule {
  checkNumber('learningRate', learningRate, { minimum: 0 });
  return () => learningRate;
}

/**
 * Half a cosine from `learningRate` down to `minimum`, flat afterwards.
 *
 *     lr(s) = min + (lr − min) · ½(1 + cos(π · s/steps)),   s clamped to steps
 *
 * @param options `learningRate` at step 0, `steps` > 0 until the minimum, `minimum` (0).
 * @throws {OptionError} for a number outside its range.
 * @example
 * const schedule = cosineDecay({ learningRate: 1, steps: 4 });
 * [0, 1, 2, 3, 4, 5].map(schedule) // [1, 0.853553, 0.5, 0.146447, 0, 0]
 * @see Loshchilov & Hutter 2017, arXiv 1608.03983
 */
export function cosineDecay({
  learningRate,
  steps,
  minimum = 0,
}: {
  learningRate: number;
  steps: number;
  minimum?: number;
}): Schedule {
  checkNumber('learningRate', learningRate, { minimum: 0 });
  checkNumber('steps', steps, { minimum: 1, integer: true });
  checkNumber('minimum', minimum, { minimum: 0, maximum: learningRate });
  return (step) => minimum + (learningRate - minimum) * 0.5 * (1 + Math.cos((Math.PI * Math.min(step, steps)) / steps));
}

/**
 * A straight climb to the first rate of another schedule, which then starts.
 *
 *     lr(s) = after(0) · (s + 1)/steps  for s < steps,   after(s − steps)  afterwards
 *
 * Starts at `1/steps` of the rate rather than at 0, so that the first batch is not wasted (open_clip's choice).
 *
 * @param options `steps` ≥ 0 of warm-up, `after` the schedule that follows.
 * @throws {OptionError} if `steps` is not a whole number.
 * @example
 * const schedule = linearWarmup({ steps: 4, after: constantRate({ learningRate: 1 }) });
 * [0, 1, 2, 3, 4].map(schedule) // [0.25, 0.5, 0.75, 1, 1]
 */
export function linearWarmup({ steps, after }: { steps: number; after: Schedule }): Schedule {
  checkNumber('steps', steps, { minimum: 0, integer: true });
  return (step) => (step < steps ? (after(0) * (step + 1)) / steps : after(step - steps));
}
