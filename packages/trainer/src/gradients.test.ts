import { expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { clipByGlobalNorm, clipScale, GradientAccumulator, valueAndGradients } from './gradients';

const values = (map: Map<string, tf.Tensor>) =>
  Object.fromEntries([...map].map(([name, tensor]) => [name, [...tensor.dataSync()]]));

onEveryEngine('valueAndGradients', () => {
  it('gives value, terms and gradients by the names of the caller', () => {
    const w = tf.variable(tf.tensor1d([1, 2]));
    const b = tf.variable(tf.scalar(3));
    const parameters = new Map<string, tf.Variable>([
      ['layer.weight', w],
      ['layer.bias', b],
    ]);
    const f = () => {
      const squares = tf.sum(tf.square(w)) as tf.Scalar;
      const product = tf.mul(b, tf.sum(w)) as tf.Scalar;
      return { total: tf.add(squares, product) as tf.Scalar, terms: { squares, product } };
    };
    const { value, terms, gradients, unused } = valueAndGradients(f, parameters);
    expect([...value.dataSync()]).toEqual([14]);
    expect(terms.squares!.dataSync()[0]).toBe(5);
    expect(terms.product!.dataSync()[0]).toBe(9);
    expect(values(gradients)).toEqual({ 'layer.weight': [5, 7], 'layer.bias': [3] });
    expect(unused).toEqual([]);
    expectNoLeak(() => {
      const result = valueAndGradients(f, parameters);
      return [result.value, result.terms, [...result.gradients.values()]] as tf.TensorContainer;
    }, [w, b]);
    const before = tf.memory().numTensors;
    tf.tidy(() => void valueAndGradients(f, parameters));
    expect(tf.memory().numTensors, 'a surrounding tidy frees everything').toBe(before);
  });

  it('leaves out and lists parameters that take no part', () => {
    const parameters = new Map<string, tf.Variable>([
      ['used', tf.variable(tf.scalar(2))],
      ['z', tf.variable(tf.scalar(2))],
      ['a', tf.variable(tf.scalar(2))],
    ]);
    const { gradients, unused } = valueAndGradients(() => tf.square(parameters.get('used')!), parameters);
    expect(values(gradients)).toEqual({ used: [4] });
    expect(unused).toEqual(['a', 'z']);
  });

  it('says what is wrong', () => {
    const w = tf.variable(tf.tensor1d([1, 2]));
    const parameters = new Map([['w', w]]);
    const before = tf.memory().numTensors;
    expect(() => valueAndGradients(() => tf.square(w) as never, parameters)).toThrow(/scalar tensor, got shape \[2\]/);
    const broken = () => {
      const terms = { squares: tf.sum(tf.square(w)) };
      if (terms) throw new TypeError('inside');
      return { total: tf.scalar(1), terms };
    };
    expect(() => valueAndGradients(broken, parameters)).toThrow(new TypeError('inside'));
    expect(() =>
      valueAndGradients(() => ({ total: tf.square(w) as never, terms: { a: tf.square(w) } }), parameters),
    ).toThrow(/scalar/);
    expect(() => valueAndGradients(() => tf.scalar(1), parameters)).toThrow(/none of the 1 parameters \(w…\)/);
    expect(() => valueAndGradients(() => tf.scalar(1), new Map())).toThrow(/parameters is empty/);
    expect(tf.memory().numTensors).toBe(before);
  });
});

onEveryEngine('clipByGlobalNorm', () => {
  it('matches its definition, over all tensors together', () => {
    const gradients = new Map<string, tf.Tensor>([
      ['a', random(1).tensor([3, 2])],
      ['b', random(2).tensor([4])],
    ]);
    const all = [...gradients.values()].flatMap((g) => [...g.dataSync()]);
    const norm = Math.sqrt(all.reduce((sum, x) => sum + x * x, 0));
    for (const maxNorm of [0.5, 100, Number.POSITIVE_INFINITY]) {
      const { gradientScale, norm: measured } = clipScale(gradients, maxNorm);
      expectClose(measured, [norm], 1e-6);
      expectClose(gradientScale, [Math.min(1, maxNorm / (norm + 1e-6))], 1e-6);
      const clipped = clipByGlobalNorm(gradients, maxNorm);
      expectClose(clipped.norm, [norm], 1e-6);
      const scale = Math.min(1, maxNorm / (norm + 1e-6));
      const flat = [...clipped.gradients.values()].flatMap((g) => [...g.dataSync()]);
      expectClose(
        flat,
        all.map((x) => x * scale),
        1e-6,
      );
    }
    expectNoLeak(() => {
      const { gradients: g, norm: n } = clipByGlobalNorm(gradients, 1);
      return [n, ...g.values()];
    }, [...gradients.values()]);
    expectNoLeak(() => Object.values(clipScale(gradients, 1)), [...gradients.values()]);
  });

  it('keeps a NaN visible and refuses nonsense', () => {
    const gradients = new Map([['a', tf.tensor1d([Number.NaN, 1])]]);
    expect(clipByGlobalNorm(gradients, 1).norm.dataSync()[0]).toBeNaN();
    expect(() => clipByGlobalNorm(gradients, 0)).toThrow('maxNorm must be > 0, got 0');
    expect(() => clipByGlobalNorm(new Map(), 1)).toThrow('no gradients');
    expect(clipScale(gradients, 1).gradientScale.dataSync()[0]).toBeNaN();
    expect(() => clipScale(gradients, 0)).toThrow('clipScale: maxNorm must be > 0, got 0');
    expect(() => clipScale(new Map(), 1)).toThrow('clipScale: no gradients');
  });
});

describe('GradientAccumulator', () => {
  it('sums or averages, counts missing as zero, and leaks nothing', () => {
    const accumulator = new GradientAccumulator();
    const first = new Map([['w', tf.tensor1d([1, 2])]]);
    const second = new Map<string, tf.Tensor>([
      ['w', tf.tensor1d([3, 6])],
      ['b', tf.tensor1d([8])],
    ]);
    const before = tf.memory().numTensors;
    accumulator.add(first);
    tf.tidy(() => accumulator.add(second));
    expect(accumulator.count).toBe(2);
    const mean = accumulator.take();
    expect(values(mean)).toEqual({ w: [2, 4], b: [4] });
    expect(accumulator.count).toBe(0);
    accumulator.add(first);
    const sum = accumulator.take('sum');
    expect(values(sum)).toEqual({ w: [1, 2] });
    tf.dispose([...mean.values(), ...sum.values()]);
    expect(tf.memory().numTensors).toBe(before);
    expect(values(first)).toEqual({ w: [1, 2] });
    expect(() => accumulator.take()).toThrow('no gradients were added');
  });
});
