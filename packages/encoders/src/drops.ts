import { dropout } from '@medalign/ops';
import { checkNumber, OptionError } from '@medalign/similarity';
import type * as tf from '@tensorflow/tfjs-core';

/** Rates of a transformer's dropout: hidden states, and attention weights. */
export type DropRates = { hidden: number; attention: number };

/**
 * The places of one forward pass that drop values: each takes the next mask of the seed. A part that is computed again
 * for its gradient starts from the same step, and drops the same values.
 */
export class Drops {
  constructor(
    private readonly rates: DropRates,
    private readonly seed: number,
    public step = 0,
  ) {}

  /** Options of the next mask; undefined where nothing is dropped. */
  next(kind: keyof DropRates): { rate: number; seed: number; step: number } | undefined {
    const step = this.step++;
    return this.rates[kind] > 0 ? { rate: this.rates[kind], seed: this.seed, step } : undefined;
  }

  hidden(x: tf.Tensor): tf.Tensor {
    const options = this.next('hidden');
    return options ? dropout(x, options) : x;
  }

  /** The same masks again, from a step on. */
  from(step: number): Drops {
    return new Drops(this.rates, this.seed, step);
  }
}

/** @returns the masks of one forward pass: none outside of training, or when nothing is dropped. */
export function dropsOf(rates: DropRates, { training, seed }: { training: boolean; seed?: number }): Drops | undefined {
  if (!training || (rates.hidden === 0 && rates.attention === 0)) return undefined;
  if (seed === undefined) {
    throw new OptionError(
      'seed: expected a whole number, another one for each training step, got undefined. Fix: { training: true, seed: step }, or dropout: 0',
    );
  }
  return new Drops(rates, checkNumber('seed', seed, { integer: true }));
}

/** @throws OptionError for a rate outside [0, 1). */
export function checkRates(hidden: number, attention: number): DropRates {
  checkNumber('dropout', hidden, { minimum: 0, maximum: 0.999 });
  checkNumber('attentionDropout', attention, { minimum: 0, maximum: 0.999 });
  return { hidden, attention };
}
