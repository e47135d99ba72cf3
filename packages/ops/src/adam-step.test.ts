import { expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { adamStep } from './index';

onEveryEngine('adamStep', () => {
  const numbers = { stepSize: 0.01, beta1: 0.9, beta2: 0.99, epsilon: 1e-6 };
  const draw = () => {
    const r = random(4);
    const [w, g, m] = [r.tensor([3, 5]), r.tensor([3, 5]), r.tensor([3, 5])];
    return { w, g, m, v: tf.square(r.tensor([3, 5])) };
  };

  it.each([{}, { penalty: 0.1 }, { shrink: 0.9 }])('equals the plain loop with %j', (options) => {
    const { w, g, m, v } = draw();
    const { penalty = 0, shrink = 1 } = options as { penalty?: number; shrink?: number };
    const expected = [...w.dataSync()].map((weight, i) => {
      const slope = g.dataSync()[i]! + penalty * weight;
      const mean = 0.9 * m.dataSync()[i]! + 0.1 * slope;
      const square = 0.99 * v.dataSync()[i]! + 0.01 * slope ** 2;
      return { weight: shrink * weight - (0.01 * mean) / (Math.sqrt(square) + 1e-6), mean, square };
    });
    const next = adamStep(w, g, m, v, { ...numbers, ...options });
    for (const name of ['weight', 'mean', 'square'] as const) {
      expect(next[name].shape).toEqual([3, 5]);
      expectClose(
        next[name],
        expected.map((e) => e[name]),
        1e-6,
      );
    }
  });

  it('hands NaN on, leaks nothing and says what is wrong', () => {
    const { w, g, m, v } = draw();
    const spoiled = adamStep(w, tf.fill([3, 5], Number.NaN), m, v, numbers);
    expect([...spoiled.weight.dataSync()].every(Number.isNaN)).toBe(true);
    expectNoLeak(() => adamStep(w, g, m, v, numbers), [w, g, m, v]);
    expect(() => adamStep(w, tf.zeros([3]), m, v, numbers)).toThrow(/gradient/);
    expect(() => adamStep(w, g, m, v, { ...numbers, stepSize: -1 })).toThrow(/stepSize/);
  });
});
