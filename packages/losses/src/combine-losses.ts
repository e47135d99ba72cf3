import { checkChoice, checkGradients, checkNumber, OptionError, ShapeError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { inwards } from './clamped';
import { isOn } from './constant';

/** How {@link combineLosses} weighs its terms: learned as Kendall et al. do or as RegionMed-CLIP writes it, or fixed. */
export type LossWeighting = 'kendall' | 'paper' | 'fixed';

/** Options of {@link combineLosses}. */
export interface CombineLossesOptions {
  weighting?: LossWeighting;
  uncertainties?: ReadonlyMap<string, tf.Tensor>;
  weights?: Readonly<Record<string, number>>;
  active?: Readonly<Record<string, boolean | tf.Tensor>>;
}

/** What {@link combineLosses} returns: the sum, and the terms and weights that made it. */
export interface CombinedLosses {
  /** what is differentiated */
  total: tf.Scalar;
  /** each active term, unweighted */
  terms: Record<string, tf.Scalar>;
  /** what each active term is multiplied by */
  weights: Record<string, tf.Scalar>;
}

/** Where the paper's weight is no number any more, or 0. */
const [MINIMUM, MAXIMUM] = [0.1, 10];

/**
 * One loss out of several terms, with weights that are learned or given (RegionMed-CLIP Eqs 4, 18, 19).
 *
 *     'kendall'  L = Σ_i ½ exp(−s_i) L_i + ½ s_i          s_i = log σ_i², learned
 *     'paper'    L = Σ_i λ_i L_i,   λ_i = exp(−s_i²)/(2 s_i²)   s_i clamped to 0.1 … 10
 *     'fixed'    L = Σ_i w_i L_i
 *
 * A term that is absent, or not active, leaves out both its parts: with ½ s_i alone, s_i would drift to −∞ while a stage or
 * a batch has nothing to say about it. `'paper'` has no regulariser: its minimiser drives every weight to 0, and it warns
 * so once.
 *
 * @param terms the losses by name, scalars; undefined = not in this stage or batch.
 * @param options `weighting`, default `'kendall'`; `uncertainties`, the s_i by name, of {@link lossUncertainties}; `weights`, the
 *   w_i of `'fixed'` by name, default 1; `active` by name: false leaves a term out; a 0/1 scalar tensor does so on the
 *   device (the gradients of term and s_i are then 0; with false they do not exist, which momentum cannot move either).
 * @returns `total`, `terms` and `weights`, the last two without absent terms.
 * @throws {OptionError} if no term is left, an s_i is missing, or a name is not one of the terms.
 * @throws {ShapeError} if a term or s_i is not a scalar.
 * @example
 * const uncertainties = lossUncertainties(['global', 'roi']);
 * const { total, weights } = combineLosses({ global: tf.scalar(2), roi: tf.scalar(4) }, { uncertainties });
 * await total.data(); // 3
 * await weights.roi.data(); // 0.5
 * await combineLosses({ global: tf.scalar(2), roi: undefined }, { uncertainties }).total.data(); // 1
 * @see Kendall, Gal, Cipolla 2018, arXiv 1705.07115
 */
export function combineLosses(
  terms: Readonly<Record<string, tf.Tensor | undefined>>,
  { weighting = 'kendall', uncertainties, weights = {}, active = {} }: CombineLossesOptions = {},
): CombinedLosses {
  checkGradients('combineLosses');
  checkChoice('weighting', weighting, ['kendall', 'paper', 'fixed']);
  const known = Object.keys(terms);
  checkNames('weights', Object.keys(weights), known);
  checkNames('active', Object.keys(active), known);
  const names = known.filter((name) => terms[name] !== undefined && active[name] !== false);
  if (names.length === 0)
    throw new OptionError(`terms: expected an active term, got none of ${known.join(', ')}; skip this batch`);
  for (const name of names) checkScalar(`terms.${name}`, terms[name]);
  if (weighting === 'paper') warn();

  return tf.tidy(() => {
    const combined: Omit<CombinedLosses, 'total'> = { terms: {}, weights: {} };
    const parts = names.map((name) => {
      const term = terms[name] as tf.Scalar;
      const flag = active[name];
      const on = (x: tf.Tensor) => (flag instanceof tf.Tensor ? tf.where(isOn(flag), x, 0) : x) as tf.Scalar;
      const { weight, penalty } = weigh(name);
      const product = tf.mul(weight, term);
      combined.terms[name] = tf.clone(term);
      combined.weights[name] = on(weight);
      return on(penalty ? tf.add(product, penalty) : product);
    });
    return { total: tf.addN(parts), ...combined };
  });

  function weigh(name: string): { weight: tf.Tensor; penalty?: tf.Tensor } {
    if (weighting === 'fixed') return { weight: tf.scalar(checkNumber(`weights.${name}`, weights[name] ?? 1)) };
    const s = uncertainties?.get(name);
    if (!s) {
      const all = known.map((term) => `'${term}'`).join(', ');
      throw new OptionError(`uncertainties: expected one for '${name}', got none. Fix: lossUncertainties([${all}])`);
    }
    checkScalar(`uncertainties.${name}`, s);
    if (weighting === 'paper') return { weight: paperWeight(s) };
    return { weight: tf.mul(tf.exp(tf.neg(s)), 0.5), penalty: tf.mul(s, 0.5) };
  }
}

/**
 * The learnable s_i of {@link combineLosses}: one scalar Variable per term. Hand them to the optimiser with the model's
 * parameters, without weight decay.
 *
 * @param names of the terms.
 * @param options `weighting` `'kendall'` (default, s = 0: every weight is ½) or `'paper'` (s = 1: 0.18394).
 * @returns Variables by name.
 * @example
 * const uncertainties = lossUncertainties(['global', 'roi', 'negative']);
 * [...uncertainties.keys()]; // ["global", "roi", "negative"]
 * await uncertainties.get('roi')!.data(); // 0
 */
export function lossUncertainties(
  names: readonly string[],
  { weighting = 'kendall' }: { weighting?: Exclude<LossWeighting, 'fixed'> } = {},
): Map<string, tf.Variable<tf.Rank.R0>> {
  checkChoice('weighting', weighting, ['kendall', 'paper']);
  const initial = weighting === 'paper' ? 1 : 0;
  const variable = () => tf.tidy(() => tf.variable(tf.scalar(initial), true));
  return new Map(names.map((name) => [name, variable()]));
}

/** λ(s) = exp(−s²)/(2s²), s clamped; dλ/ds = −exp(−s²) (1/s + 1/s³). */
function paperWeight(uncertainty: tf.Tensor): tf.Tensor {
  return tf.customGrad((s, save) => {
    (save as tf.GradSaveFunc)([s as tf.Tensor]);
    const clamped = (at: tf.Tensor) => tf.clipByValue(at, MINIMUM, MAXIMUM);
    const value = tf.tidy(() => {
      const square = tf.square(clamped(s as tf.Tensor));
      return tf.div(tf.exp(tf.neg(square)), tf.mul(square, 2));
    });
    return {
      value,
      gradFunc: (dy, saved) =>
        tf.tidy(() => {
          const at = (saved as tf.Tensor[])[0]!;
          const x = clamped(at);
          const slope = tf.mul(tf.exp(tf.neg(tf.square(x))), tf.div(tf.add(1, tf.div(1, tf.square(x))), x));
          return inwards(tf.neg(tf.mul(dy, slope)), at, MINIMUM, MAXIMUM);
        }),
    };
  })(uncertainty);
}

let warned = false;
function warn(): void {
  if (warned) return;
  warned = true;
  console.warn(
    "combineLosses: weighting 'paper' has no regulariser, its minimiser drives every weight to 0. Watch the weights, or use 'kendall'.",
  );
}

function checkNames(option: string, names: string[], known: string[]): void {
  const stranger = names.find((name) => !known.includes(name));
  if (stranger !== undefined)
    throw new OptionError(`${option}: expected names among ${known.join(', ')}, got '${stranger}'`);
}

function checkScalar(argument: string, value: tf.Tensor | undefined): void {
  if (value instanceof tf.Tensor && value.rank === 0) return;
  const got = value instanceof tf.Tensor ? `shape [${value.shape}]` : typeof value;
  throw new ShapeError(`${argument}: expected a scalar tensor, got ${got}`);
}
