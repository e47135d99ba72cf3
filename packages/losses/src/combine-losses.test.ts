import { OptionError, ShapeError } from '@medalign/similarity';
import { expectClose, expectNoLeak, onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it, vi } from 'vitest';
import { combineLosses, lossUncertainties } from './index';

const terms = () => ({ global: tf.scalar(2), roi: tf.scalar(3), negative: tf.scalar(0.5) });
const at = (values: Record<string, number>) =>
  new Map(Object.entries(values).map(([name, value]) => [name, tf.scalar(value)]));
const value = (x: tf.Tensor) => x.dataSync()[0]!;

onEveryEngine('combineLosses', () => {
  it('by Kendall: ½ exp(−s) L + ½ s, and gives its terms and weights', () => {
    const s = { global: 0, roi: 1, negative: -0.5 };
    const result = combineLosses(terms(), { uncertainties: at(s) });
    const weights = Object.values(s).map((x) => Math.exp(-x) / 2);
    expectClose(result.total, weights[0]! * 2 + weights[1]! * 3 + weights[2]! * 0.5 + 0.25, 1e-6);
    expect(Object.keys(result.terms)).toEqual(['global', 'roi', 'negative']);
    expectClose(Object.values(result.weights).map(value), weights, 1e-6);
    expectClose(Object.values(result.terms).map(value), [2, 3, 0.5], 0);
  });

  it('by Kendall the best s is ln L, where the weight is 1/(2L)', () => {
    const gradient = tf.grad((s) => combineLosses({ a: tf.scalar(3) }, { uncertainties: new Map([['a', s]]) }).total);
    expectClose(gradient(tf.scalar(Math.log(3))), 0, 1e-6);
    expect(value(gradient(tf.scalar(0)))).toBeLessThan(-0.9);
  });

  it('fact 3: the weights of the paper', () => {
    const s = { a: 0.1, b: 0.3, c: 1, d: 1.5 };
    const losses = Object.fromEntries(Object.keys(s).map((name) => [name, tf.scalar(1)]));
    const { weights, total } = combineLosses(losses, { weighting: 'paper', uncertainties: at(s) });
    const wanted = [49.502, 5.0774, 0.18394, 0.02342];
    expectClose(Object.values(weights).map(value), wanted, 1e-4);
    expectClose(
      total,
      wanted.reduce((a, b) => a + b),
      1e-4,
    );
  });

  it('in the paper s stays within 0.1 … 10: the gradient leads back in, not further out', () => {
    const f = (sign: number) => (s: tf.Tensor) =>
      combineLosses({ a: tf.scalar(sign) }, { weighting: 'paper', uncertainties: new Map([['a', s]]) }).total;
    const slope = (s: number) => -Math.exp(-s * s) * (1 / s + s ** -3);
    for (const s of [0.1, 0.05, 0, -3]) {
      expectClose(f(1)(tf.scalar(s)), 49.502, 1e-4);
      expectClose(tf.grad(f(1))(tf.scalar(s)), slope(0.1), 1e-4); // descending makes s larger
      expect(value(tf.grad(f(-1))(tf.scalar(s)))).toBe(0);
    }
    expectClose(tf.grad(f(1))(tf.scalar(1.2)), slope(1.2), 1e-5);
    // descending the loss of one positive term only ever lowers its weight
    for (const s of [0.2, 1, 3]) expect(value(tf.grad(f(1))(tf.scalar(s)))).toBeLessThan(0);
    expect(Math.abs(value(tf.grad(f(1))(tf.scalar(12))))).toBe(0);
  });

  it('with fixed weights, 1 where none is given', () => {
    const result = combineLosses(terms(), { weighting: 'fixed', weights: { roi: 0.5, negative: 0 } });
    expectClose(result.total, 2 + 1.5, 1e-6);
    expectClose(Object.values(result.weights).map(value), [1, 0.5, 0], 0);
  });

  it('leaves both parts of an absent or inactive term out', () => {
    const uncertainties = at({ global: 0.4, roi: 5, negative: -7 });
    const alone = Math.exp(-0.4) + 0.2;
    for (const roi of [undefined, tf.scalar(3)]) {
      const active = { roi: roi === undefined, negative: false };
      const result = combineLosses({ ...terms(), roi }, { uncertainties, active });
      expectClose(result.total, alone, 1e-6);
      expect([Object.keys(result.terms), Object.keys(result.weights)]).toEqual([['global'], ['global']]);
    }
    const flags = { roi: tf.scalar(0), negative: tf.scalar(false, 'bool'), global: tf.scalar(1) };
    const onDevice = combineLosses(terms(), { uncertainties, active: flags });
    expectClose(onDevice.total, alone, 1e-6);
    expectClose(Object.values(onDevice.weights).map(value), [Math.exp(-0.4) / 2, 0, 0], 1e-6);
    // a term without uncertainty is fine as long as it is not there
    expectClose(
      combineLosses({ global: tf.scalar(2), roi: undefined }, { uncertainties: at({ global: 0.4 }) }).total,
      alone,
      1e-6,
    );
  });

  it('leaks nothing and disposes nothing it was given', () => {
    const [losses, uncertainties] = [terms(), at({ global: 0, roi: 0, negative: 0 })];
    const given = [...Object.values(losses), ...uncertainties.values()];
    for (const weighting of ['kendall', 'paper', 'fixed'] as const)
      expectNoLeak(() => ({ ...combineLosses(losses, { weighting, uncertainties }) }) as never, given);
  });
});

it('lossUncertainties are trainable Variables: every weight ½, or λ(1)', () => {
  const kendall = lossUncertainties(['a', 'b']);
  expect([...kendall.keys()]).toEqual(['a', 'b']);
  expect([...kendall.values()].every((s) => s instanceof tf.Variable && s.trainable && value(s) === 0)).toBe(true);
  const paper = lossUncertainties(['a'], { weighting: 'paper' });
  const { weights } = combineLosses({ a: tf.scalar(1) }, { weighting: 'paper', uncertainties: paper });
  expectClose(weights.a!, 0.18394, 1e-4);
  const before = tf.memory().numTensors;
  tf.dispose([...lossUncertainties(['c']).values()]);
  expect(tf.memory().numTensors).toBe(before);
});

it("warns once that 'paper' drives every weight to 0", async () => {
  vi.resetModules();
  const said = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const { combineLosses } = await import('./combine-losses');
  const run = (weighting: 'kendall' | 'paper') =>
    combineLosses({ a: tf.scalar(1) }, { weighting, uncertainties: at({ a: 1 }) });
  run('kendall');
  expect(said).not.toHaveBeenCalled();
  run('paper');
  run('paper');
  expect(said.mock.calls).toEqual([[expect.stringMatching(/'paper' has no regulariser.*use 'kendall'/)]]);
  said.mockRestore();
});

it('says what is wrong', () => {
  const uncertainties = at({ global: 0 });
  expect(() => combineLosses(terms(), { uncertainties })).toThrow(
    /uncertainties: expected one for 'roi', got none. Fix: lossUncertainties\(\['global', 'roi', 'negative'\]\)/,
  );
  expect(() => combineLosses({ global: tf.ones([2]) }, { uncertainties })).toThrow(ShapeError);
  expect(() => combineLosses({ global: 3 as never }, { uncertainties })).toThrow(
    /terms.global: expected a scalar tensor, got number/,
  );
  expect(() => combineLosses({ roi: undefined, negative: tf.scalar(1) }, { active: { negative: false } })).toThrow(
    /expected an active term, got none of roi, negative; skip this batch/,
  );
  expect(() => combineLosses(terms(), { weighting: 'fixed', weights: { global: Number.NaN } })).toThrow(
    /weights.global/,
  );
  expect(() => combineLosses(terms(), { weighting: 'fixed', weights: { glob: 1 } })).toThrow(
    /among global, roi, negative, got 'glob'/,
  );
  expect(() => combineLosses(terms(), { uncertainties, active: { rois: false } })).toThrow(/active: .*got 'rois'/);
  expect(() => combineLosses(terms(), { weighting: 'mean' as never })).toThrow(OptionError);
  expect(() => lossUncertainties(['a'], { weighting: 'fixed' as never })).toThrow(/'kendall', 'paper'/);
});
