import { expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { type AdamParameter, adamStep } from './index';

onEveryEngine('adamStep', () => {
  const numbers = { stepSize: 0.01, beta1: 0.9, beta2: 0.99, epsilon: 1e-6 };
  const draw = (shape: number[], seed: number): AdamParameter => {
    const r = random(seed);
    const [weight, gradient, mean] = [r.tensor(shape), r.tensor(shape), r.tensor(shape)];
    return { weight, gradient, mean, square: tf.square(r.tensor(shape)) };
  };
  // one longer than what an engine gives a thread at once
  const drawAll = () => [draw([3, 5], 4), draw([], 5), draw([40_001], 6)];
  const tensors = (list: AdamParameter[]) => list.flatMap((p) => Object.values(p) as tf.Tensor[]);

  const loop = ({ weight, gradient, mean, square }: AdamParameter, penalty: number, shrink: number) => {
    const [w, g, means, squares] = [weight, gradient, mean, square].map((x) => [...x.dataSync()]) as number[][];
    return w!.map((value, i) => {
      const slope = g![i]! + penalty * value;
      const m = 0.9 * means![i]! + 0.1 * slope;
      const v = 0.99 * squares![i]! + 0.01 * slope ** 2;
      return { weight: shrink * value - (0.01 * m) / (Math.sqrt(v) + 1e-6), mean: m, square: v };
    });
  };

  it.each([{}, { penalty: 0.1 }, { shrink: 0.9 }, { scale: 0.25, penalty: 0.1 }, { scale: 0.25, inPlace: true }])(
    'equals the plain loop with %j',
    ({ scale, ...options }: { scale?: number; penalty?: number; shrink?: number; inPlace?: boolean }) => {
      const parameters = drawAll();
      const { penalty = 0, shrink = 1 } = options;
      const scaled = parameters.map((p) => ({ ...p, gradient: tf.mul(p.gradient, scale ?? 1) }));
      const expected = scaled.map((p) => loop(p, penalty, shrink));
      const gradientScale = scale === undefined ? undefined : tf.scalar(scale);
      const next = adamStep(parameters, { ...numbers, ...options, gradientScale });
      expect(next).toHaveLength(3);
      for (const [i, result] of next.entries()) {
        for (const name of ['weight', 'mean', 'square'] as const) {
          expect(result[name].shape).toEqual(parameters[i]!.weight.shape);
          expectClose(
            result[name],
            expected[i]!.map((e) => e[name]),
            1e-6,
          );
        }
      }
    },
  );

  it('changes nothing that is given, and in place nothing that anybody else looks at', () => {
    const parameters = [draw([4, 3], 8)];
    const before = tensors(parameters).map((x) => [...x.dataSync()]);
    adamStep(parameters, numbers);
    for (const [i, x] of tensors(parameters).entries()) expect([...x.dataSync()]).toEqual(before[i]);

    const [{ weight, gradient, mean, square }] = parameters as [AdamParameter];
    const others = [tf.clone(weight), tf.slice(mean, [1, 0]), tf.transpose(square), tf.reshape(gradient, [12])];
    const seen = others.map((x) => [...x.dataSync()]);
    adamStep(parameters, { ...numbers, inPlace: true });
    for (const [i, x] of others.entries()) expect([...x.dataSync()]).toEqual(seen[i]);
  });

  it('keeps apart what is given twice, and moves views in place with their whole', () => {
    const zero = tf.zeros([3]);
    const once = { weight: tf.tensor1d([1, 2, 3]), gradient: tf.tensor1d([1, -2, 4]), mean: zero, square: zero };
    const expected = loop(once, 0, 1);
    const [next] = adamStep([once], { ...numbers, inPlace: true });
    expectClose(
      next!.mean,
      expected.map((e) => e.mean),
      1e-6,
    );
    expectClose(
      next!.square,
      expected.map((e) => e.square),
      1e-6,
    );

    const w: tf.Variable = tf.variable(tf.tensor([[1, 2, 3]]));
    const asRow = () => tf.tidy(() => [...tf.add(tf.reshape(w, [3]), 0).dataSync()]);
    asRow();
    const [moved] = adamStep(
      [{ weight: w, gradient: tf.ones([1, 3]), mean: tf.zeros([1, 3]), square: tf.zeros([1, 3]) }],
      {
        ...numbers,
        inPlace: true,
      },
    );
    w.assign(moved!.weight);
    expect(asRow()).toEqual([...moved!.weight.dataSync()]);
  });

  it('hands NaN on, leaks nothing and says what is wrong', () => {
    const parameters = [draw([3, 5], 4), draw([2], 5)];
    const [first] = parameters as [AdamParameter];
    const [spoiled] = adamStep([{ ...first, gradient: tf.fill([3, 5], Number.NaN) }], numbers);
    expect([...spoiled!.weight.dataSync()].every(Number.isNaN)).toBe(true);
    expectNoLeak(() => adamStep(parameters, numbers).map((p) => Object.values(p)), tensors(parameters));
    expect(adamStep([], numbers)).toEqual([]);
    expect(() => adamStep([first, { ...first, gradient: tf.zeros([3]) }], numbers)).toThrow(
      /parameters\[1\]\.gradient/,
    );
    expect(() => adamStep([first], { ...numbers, gradientScale: tf.ones([2]) as tf.Tensor as tf.Scalar })).toThrow(
      /gradientScale: expected shape \[\], got \[2\]/,
    );
    expect(() => adamStep([first], { ...numbers, stepSize: -1 })).toThrow(/stepSize/);
    expect(() => adamStep([first], { ...numbers, inPlace: 1 as never })).toThrow(/inPlace/);
  });
});
