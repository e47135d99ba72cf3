import { expectClose, expectNoLeak, onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { expect, it } from 'vitest';

/** The identity, with a gradient of the test's choice. */
const withGradient = (gradient: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor | tf.Tensor[]) =>
  tf.customGrad((...args) => {
    const save = args[args.length - 1] as unknown as (tensors: tf.Tensor[]) => void;
    save([args[0] as tf.Tensor]);
    return { value: tf.clone(args[0] as tf.Tensor), gradFunc: gradient as never };
  }) as (...inputs: tf.Tensor[]) => tf.Tensor;

/** Ops on vectors: as tensors, and as a value with its derivatives by every source (forward mode, plain numbers). */
type Dual = { value: number; slopes: number[] };
const chain = (value: number, ...parts: [Dual, number][]): Dual => ({
  value,
  slopes: parts[0]![0].slopes.map((_, i) => parts.reduce((sum, [{ slopes }, factor]) => sum + slopes[i]! * factor, 0)),
});
const ops = {
  add: [(a: tf.Tensor, b: tf.Tensor) => tf.add(a, b), (a: Dual, b: Dual) => chain(a.value + b.value, [a, 1], [b, 1])],
  sub: [(a: tf.Tensor, b: tf.Tensor) => tf.sub(a, b), (a: Dual, b: Dual) => chain(a.value - b.value, [a, 1], [b, -1])],
  mul: [
    (a: tf.Tensor, b: tf.Tensor) => tf.mul(a, b),
    (a: Dual, b: Dual) => chain(a.value * b.value, [a, b.value], [b, a.value]),
  ],
  relu: [(a: tf.Tensor) => tf.relu(a), (a: Dual) => chain(Math.max(a.value, 0), [a, a.value > 0 ? 1 : 0])],
  tanh: [(a: tf.Tensor) => tf.tanh(a), (a: Dual) => chain(Math.tanh(a.value), [a, 1 - Math.tanh(a.value) ** 2])],
  reshape: [(a: tf.Tensor) => tf.reshape(tf.reshape(a, [1, 1]), [1]), (a: Dual) => a],
  halves: [
    (a: tf.Tensor, b: tf.Tensor) => {
      const [left, right] = tf.split(tf.concat([a, b, a, b]), 2) as [tf.Tensor, tf.Tensor];
      return tf.add(tf.sum(left, 0, true), tf.mul(tf.slice(right, [1], [1]), 2));
    },
    (a: Dual, b: Dual) => chain(a.value + 3 * b.value, [a, 1], [b, 3]),
  ],
} as const;

onEveryEngine('the backward pass', () => {
  it('gives the derivatives of any graph of ops', () => {
    const names = Object.keys(ops) as (keyof typeof ops)[];
    const node = fc.record({ op: fc.constantFrom(...names), a: fc.nat(), b: fc.nat() });
    const numbers = fc.array(fc.double({ min: -1.5, max: 1.5, noNaN: true }), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(numbers, fc.array(node, { minLength: 1, maxLength: 12 }), (given, graph) => {
        const sources = given.map((x) => tf.tensor1d([Math.fround(x)]));
        // The last source is constant: ops on it alone are left out of the tape.
        const taped = sources.slice(0, 2);
        const f = (...xs: tf.Tensor[]) => {
          const values: tf.Tensor[] = [...xs, sources[2]!];
          for (const { op, a, b } of graph) {
            values.push((ops[op][0] as typeof tf.add)(values[a % values.length]!, values[b % values.length]!));
          }
          return tf.sum(tf.addN([...values.slice(-2), ...xs])) as tf.Tensor;
        };
        const duals: Dual[] = given.map((x, i) => ({
          value: Math.fround(x),
          slopes: [Number(i === 0), Number(i === 1)],
        }));
        for (const { op, a, b } of graph) {
          duals.push((ops[op][1] as (a: Dual, b: Dual) => Dual)(duals[a % duals.length]!, duals[b % duals.length]!));
        }
        const last = [...duals.slice(-2), duals[0]!, duals[1]!];
        const expected = [0, 1].map((i) => last.reduce((sum, { slopes }) => sum + slopes[i]!, 0));
        fc.pre(duals.every(({ value, slopes }) => [value, ...slopes].every((x) => Math.abs(x) < 1e3)));
        fc.pre(duals.every(({ value }) => value === 0 || Math.abs(value) > 1e-4)); // off the corner of relu
        const before = tf.memory().numTensors;
        const gradients = tf.grads(f)(taped);
        expect(tf.memory().numTensors).toBe(before + 2);
        gradients.forEach((gradient, i) => {
          expectClose(gradient, [expected[i]!], 1e-3);
        });
        tf.dispose([gradients, sources]);
      }),
      { numRuns: 60 },
    );
  });

  it('frees on its way what the forward pass saved, and the gradients it has used', () => {
    const alive: number[] = [];
    const probe = withGradient((dy) => {
      alive.push(tf.memory().numTensors);
      return tf.clone(dy);
    });
    const depth = 20;
    tf.tidy(() =>
      tf.grad((x) => {
        let y = probe(x) as tf.Tensor;
        for (let i = 0; i < depth; i++) y = tf.square(probe(tf.sin(y)));
        return tf.sum(y);
      })(tf.tensor1d([1, 2])),
    );
    expect(alive).toHaveLength(depth + 1);
    // sin, the probe and square save one tensor each
    expect(alive[0]! - alive[depth]!).toBeGreaterThanOrEqual(3 * (depth - 1));
  });

  it('keeps nothing for ops that no source reaches', () => {
    const w = tf.variable(tf.scalar(2));
    const x = tf.tensor1d([1, 2]);
    let saved = 0;
    const { grads } = tf.variableGrads(() => {
      const before = tf.memory().numTensors;
      const frozen = tf.tidy(() => {
        let y = x as tf.Tensor;
        for (let i = 0; i < 5; i++) y = tf.square(tf.sin(y));
        return y;
      });
      saved = tf.memory().numTensors - before - 1;
      return tf.sum(tf.mul(frozen, w));
    }, [w]);
    expect(saved).toBe(0);
    const frozen = [1, 2].map((value) => Array.from({ length: 5 }).reduce<number>((y) => Math.sin(y) ** 2, value));
    expectClose(grads[w.name]!, frozen[0]! + frozen[1]!);
    w.dispose();
  });

  it.each([
    ['its dy', (dy: tf.Tensor) => dy],
    ['what it saved', (_: tf.Tensor, [x]: tf.Tensor[]) => x!],
  ])('takes from an op %s as its gradient', (_, gradient) => {
    const x = tf.tensor1d([3, -4]);
    const op = withGradient(gradient as never);
    const f = (y: tf.Tensor) => tf.sum(tf.add(op(op(y)), tf.mul(op(y), 2))) as tf.Tensor;
    const expected = gradient(tf.tensor1d([1, 1]), [x]) === x ? [6, -8] : [3, 3];
    expectClose(tf.grad(f)(x), expected);
    expectNoLeak(() => tf.grad(f)(x), [x]);
  });

  it('does not free a constant that an op gave as its gradient', () => {
    const [x, constant] = [tf.tensor1d([1, 2]), tf.tensor1d([5, 6])];
    const op = withGradient(() => constant);
    expectClose(tf.grad((y) => tf.sum(tf.add(op(y), op(y))) as tf.Tensor)(x), [10, 12]);
    expectClose(constant, [5, 6]);
  });

  it('counts one tensor that an op gave for two inputs twice', () => {
    const both = withGradient((dy) => {
      const one = tf.mul(dy, 3);
      return [one, one];
    });
    const x = tf.tensor1d([1]);
    expectClose(tf.grad((y) => tf.sum(both(tf.sin(y), y)) as tf.Tensor)(x), [3 * Math.cos(1) + 3]);
    expectNoLeak(() => tf.grad((y) => tf.sum(both(tf.sin(y), y)) as tf.Tensor)(x), [x]);
  });

  it('takes the gradient of one of several outputs', () => {
    const x = tf.tensor1d([1, 2, 3, 4]);
    expectClose(tf.grad((y) => tf.sum(tf.square(tf.split(y, 2)[1]!)) as tf.Tensor)(x), [0, 0, 6, 8]);
  });

  it('differentiates a gradient by what only the outer function depends on', () => {
    // d/dw of |d/dx w² x³|² at x = 2: with 3 w² x² = 12 w², 4 · 144 w³
    const [w, x] = [tf.variable(tf.scalar(1.5)), tf.scalar(2)];
    const inner = (z: tf.Tensor) => tf.mul(tf.square(w), tf.pow(z, 3)) as tf.Tensor;
    const { grads } = tf.variableGrads(() => tf.sum(tf.square(tf.grad(inner)(x))), [w]);
    expectClose(grads[w.name]!, 576 * 1.5 ** 3, 1e-4);
    w.dispose();
  });

  it('starts from a given dy, and leaves it whole', () => {
    const [x, dy] = [tf.tensor1d([1, 2]), tf.tensor1d([3, 4])];
    expectClose(tf.grad((y) => tf.square(y))(x, dy), [6, 16]);
    expectClose(tf.grad((y) => tf.clone(y))(x, dy), [3, 4]);
    expectClose(dy, [3, 4]);
  });

  it('leaves nothing behind when the function or a gradient throws', () => {
    const x = tf.tensor1d([1, 2]);
    const before = tf.memory().numTensors;
    const late = withGradient(() => {
      throw new Error('no gradient today');
    });
    expect(() =>
      tf.grad((y) => {
        tf.square(tf.sin(y));
        throw new Error('no value today');
      })(x),
    ).toThrow('no value today');
    expect(() => tf.grad((y) => tf.sum(tf.square(late(tf.sin(y)))) as tf.Tensor)(x)).toThrow('no gradient today');
    expect(tf.memory().numTensors).toBe(before);
    expectClose(tf.grad((y) => tf.sum(tf.square(y)) as tf.Tensor)(x), [2, 4]);
  });

  it('says when nothing leads to the result', () => {
    expect(() => tf.grad(() => tf.scalar(1))(tf.scalar(2))).toThrow('Cannot compute gradient of y=f(x)');
  });
});
