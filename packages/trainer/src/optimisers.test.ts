import { readFileSync } from 'node:fs';
import { expectClose, onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { Adam } from './adam';
import { clipByGlobalNorm, clipScale, type NamedParameters } from './gradients';
import { Sgd } from './sgd';

type Trace = { trace: { w: number[]; b: number[] }[]; state: Record<string, number[]> };
type Goldens = { gradients: { w: number[]; b: number[] | null }[] } & Record<
  'adam' | 'adamL2' | 'adamW' | 'sgd',
  Trace
>;
const goldens: Goldens = JSON.parse(readFileSync(new URL('../goldens/optimisers.json', import.meta.url), 'utf8'));

const start = (): NamedParameters =>
  new Map<string, tf.Variable>([
    ['w', tf.variable(tf.tensor2d([1, -2, 3, 0.5, 0, -0.25], [2, 3]))],
    ['b', tf.variable(tf.tensor1d([0.1, -0.1]))],
  ]);

const gradientsAt = (step: number) => {
  const { w, b } = goldens.gradients[step]!;
  const gradients = new Map<string, tf.Tensor>([['w', tf.tensor2d(w, [2, 3])]]);
  if (b) gradients.set('b', tf.tensor1d(b));
  return gradients;
};

const optimisers = {
  adam: (p: NamedParameters) => new Adam(p, { learningRate: 0.05 }),
  adamL2: (p: NamedParameters) =>
    new Adam(p, { learningRate: 0.05, weightDecay: 0.1, beta1: 0.8, beta2: 0.99, epsilon: 1e-6 }),
  adamW: (p: NamedParameters) => new Adam(p, { learningRate: 0.05, weightDecay: 0.1, decoupled: true }),
  sgd: (p: NamedParameters) => new Sgd(p, { learningRate: 0.01, momentum: 0.9, weightDecay: 0.1 }),
};

onEveryEngine('optimisers', () => {
  for (const [name, make] of Object.entries(optimisers)) {
    const golden = goldens[name as keyof typeof optimisers];

    it(`${name}: PyTorch's weights and state over 20 steps, a parameter without gradient skipped`, () => {
      const parameters = start();
      const optimiser = make(parameters);
      golden.trace.forEach(({ w, b }, step) => {
        tf.tidy(() => optimiser.step(gradientsAt(step)));
        expectClose(parameters.get('w')!, w, 1e-6);
        expectClose(parameters.get('b')!, b, 1e-6);
      });
      const { tensors } = optimiser.state();
      expect([...tensors.keys()].sort()).toEqual(Object.keys(golden.state).sort());
      for (const [key, tensor] of tensors) expectClose(tensor, golden.state[key]!, 2e-6);
    });

    it(`${name}: leaks nothing, frees its state, and resumes to the same bits in any order of names`, () => {
      const before = tf.memory().numTensors;
      const straight = start();
      const optimiser = make(straight);
      for (let step = 0; step < 10; step++) tf.tidy(() => optimiser.step(gradientsAt(step)));
      const afterTen = tf.memory().numTensors;
      const reversed = new Map([...straight].reverse().map(([key, variable]) => [key, tf.variable(variable.clone())]));
      const resumed = make(reversed);
      const { tensors, values } = optimiser.state();
      resumed.loadState({ tensors: new Map([...tensors].reverse()), values: JSON.parse(JSON.stringify(values)) });
      for (let step = 10; step < 20; step++) {
        tf.tidy(() => optimiser.step(gradientsAt(step)));
        tf.tidy(() => resumed.step(gradientsAt(step)));
      }
      for (const [key, variable] of straight) {
        expect([...reversed.get(key)!.dataSync()]).toEqual([...variable.dataSync()]);
      }
      resumed.dispose();
      tf.dispose([...reversed.values()]);
      expect(tf.memory().numTensors).toBeLessThanOrEqual(afterTen + 2);
      optimiser.dispose();
      tf.dispose([...straight.values()]);
      expect(tf.memory().numTensors).toBeLessThanOrEqual(before + 4);
    });

    it(`${name}: refuses a name it does not own and a wrong shape`, () => {
      const optimiser = make(start());
      expect(() => optimiser.step(new Map([['W', tf.scalar(1)]]))).toThrow(/'W' is not one of the 2 parameters/);
      expect(() => optimiser.step(new Map([['b', tf.zeros([3])]]))).toThrow(/'b': expected shape \[2\], got \[3\]/);
      expect(optimiser.state().tensors.size).toBe(0);
      expect(() =>
        make(start()).loadState({
          tensors: new Map([['w.nonsense', tf.scalar(1)]]),
          values: { learningRate: 1, steps: { w: 1 } },
        }),
      ).toThrow(/w\./);
    });
  }

  it('weight decay can depend on the name', () => {
    const parameters = start();
    const zero = new Map<string, tf.Tensor>([...parameters].map(([name, p]) => [name, tf.zerosLike(p)]));
    const weightDecay = (name: string) => (name === 'b' ? 0 : 0.5);
    new Adam(parameters, { learningRate: 0.1, weightDecay, decoupled: true }).step(zero);
    expectClose(parameters.get('w')!, [0.95, -1.9, 2.85, 0.475, 0, -0.2375], 1e-6);
    expectClose(parameters.get('b')!, [0.1, -0.1], 1e-7);
  });

  it('takes gradients times a scale as it takes scaled gradients', () => {
    const run = (scaled: boolean) => {
      const parameters = start();
      const adam = optimisers.adamW(parameters);
      for (let step = 0; step < 5; step++) {
        const gradients = gradientsAt(step);
        if (scaled) adam.step(gradients, clipScale(gradients, 0.3));
        else adam.step(clipByGlobalNorm(gradients, 0.3).gradients);
      }
      return [...parameters.values(), ...adam.state().tensors.values()];
    };
    for (const [i, x] of run(true).entries()) expectClose(x, run(false)[i]!, 1e-6);
  });

  it('refuses numbers outside their range', () => {
    expect(() => new Adam(start(), { learningRate: Number.NaN })).toThrow(/learningRate/);
    expect(() => new Adam(start(), { learningRate: 1, beta1: 1 })).toThrow(/beta1/);
    expect(() => new Adam(start(), { learningRate: 1, weightDecay: -1 })).toThrow(/weightDecay/);
    expect(() => new Sgd(start(), { learningRate: 1, momentum: 1 })).toThrow(/momentum/);
  });
});
