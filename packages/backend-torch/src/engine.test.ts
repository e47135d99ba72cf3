import '@medalign/backend/gradients';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TorchBackend } from './backend';
import { fallbacks, registerTorch, setPrecision, TorchError } from './index';
import { loadNative } from './load';

const required = (process.env.MEDALIGN_ENGINES ?? '').includes('torch');
const missing = (() => {
  try {
    loadNative();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
})();
if (missing && !required) console.warn(`native engine: left out, ${missing}`);

describe.skipIf(missing && !required)('the native engine', () => {
  const native = () => (tf.backend() as TorchBackend).call.native;
  const state = () => {
    const { call } = tf.backend() as TorchBackend;
    call.native.state();
    return { tensors: call.output[0]!, bytes: call.output[1]! };
  };

  beforeAll(async () => {
    await registerTorch();
    await tf.setBackend('torch');
  });
  beforeEach(() => tf.engine().startScope());
  afterEach(() => {
    setPrecision('highest');
    tf.engine().endScope();
  });

  it('gives the cpu engine’s numbers for any chain of views and arithmetic', () => {
    const chain = (x: tf.Tensor, steps: number[]): tf.Tensor =>
      steps.reduce((t: tf.Tensor, step) => {
        switch (step) {
          case 0:
            return tf.transpose(t);
          case 1:
            return tf.reshape(t, [t.size / t.shape[0]!, t.shape[0]!]);
          case 2:
            return tf.slice(t, [0, 0], [t.shape[0]!, Math.max(1, t.shape[1]! - 1)]);
          case 3:
            return tf.add(t, tf.sum(t, 0, true));
          case 4:
            return tf.mul(tf.tile(tf.slice(t, [0, 0], [1, t.shape[1]!]), [2, 1]), 0.5);
          case 5:
            return tf.reverse(tf.matMul(t, t, false, true), 1);
          default:
            return tf.concat([t, tf.neg(t)], 0);
        }
      }, x);
    const values = fc.array(fc.float({ min: -2, max: 2, noNaN: true }), { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(values, fc.array(fc.nat(6), { maxLength: 5 }), (numbers, steps) => {
        const run = (engine: string) => {
          tf.setBackend(engine);
          return tf.tidy(() => {
            const y = chain(tf.tensor2d(numbers, [3, 4]), steps);
            return { shape: y.shape, values: y.dataSync() };
          });
        };
        const [ours, theirs] = [run('torch'), run('cpu')];
        tf.setBackend('torch');
        expect(ours.shape).toEqual(theirs.shape);
        for (const [i, value] of theirs.values.entries())
          expect(Math.abs(ours.values[i]! - value)).toBeLessThan(1e-4 * Math.max(1, Math.abs(value)));
      }),
      { numRuns: 100 },
    );
  });

  it('moves tensors of other engines when they are used', async () => {
    await tf.setBackend('cpu');
    const x = tf.tensor2d([1, 2, 3, 4], [2, 2]);
    await tf.setBackend('torch');
    expect([...tf.matMul(x, x).dataSync()]).toEqual([7, 10, 15, 22]);
    expect([...(await x.data())]).toEqual([1, 2, 3, 4]);
    await tf.setBackend('cpu');
    expect([...tf.add(x, 1).dataSync()]).toEqual([2, 3, 4, 5]);
    await tf.setBackend('torch');
    expect([...tf.add(x, 2).dataSync()]).toEqual([3, 4, 5, 6]);
  });

  it('moves an argument in the middle of a call: what was written before it stays', async () => {
    const a = tf.tensor1d([1, 2]);
    await tf.setBackend('cpu');
    const [b, c, d] = [tf.tensor1d([10, 20]), tf.tensor1d([5, 6]), tf.tensor1d([7, 8])];
    const weights = tf.variable(tf.tensor2d([2, 0, 0, 2], [2, 2]));
    const complex = tf.complex([1], [2]);
    await tf.setBackend('torch');
    expect([...tf.add(a, b).dataSync()]).toEqual([11, 22]);
    expect([...tf.mul(0.5, c).dataSync()]).toEqual([2.5, 3]);
    expect([...tf.concat([a, d]).dataSync()]).toEqual([1, 2, 7, 8]);
    expect([...tf.matMul(tf.ones([1, 2]), weights).dataSync()]).toEqual([2, 2]);
    expect([...tf.imag(complex).dataSync()]).toEqual([2]);
    weights.dispose();
  });

  it('takes and returns thousands of tensors in one call, and says when they are too many', () => {
    expect(tf.unstack(tf.zeros([20_000, 1]))).toHaveLength(20_000);
    expect(tf.stack(Array.from({ length: 25_000 }, (_, i) => tf.scalar(i))).shape).toEqual([25_000]);
    const before = state().tensors;
    expect(() => tf.unstack(tf.zeros([400_000, 1]))).toThrow(/more results than one call can return/);
    expect(state().tensors).toBeLessThanOrEqual(before + 1);
  });

  it('a part that is kept does not keep the whole, and shared memory is counted once', () => {
    const before = state().bytes;
    const part = tf.tidy(() => tf.slice(tf.ones([1000, 1000]), [0, 0], [1, 1]));
    expect(state().bytes - before).toBeLessThan(1000);
    const [one, all] = [tf.ones([1, 1]), tf.tile(tf.ones([1, 1]), [1000, 1000])];
    expect(state().bytes - before).toBeLessThan(1000);
    tf.dispose([part, one, all]);
  });

  it('running sums without the own value, whatever comes later', () => {
    expect([...tf.cumsum(tf.tensor1d([1, 1e8, 2, Number.NaN]), 0, true).dataSync()]).toEqual([0, 1, 1e8, 1e8]);
    expect([...tf.cumsum(tf.tensor1d([1, 1e8, 2, 3]), 0, true, true).dataSync()]).toEqual([100000008, 5, 3, 0]);
  });

  it('follows rounding modes and numeric padding of tfjs, with gradients', async () => {
    const run = () =>
      tf.tidy(() => {
        const x = tf.reshape(tf.range(0, 50), [1, 5, 5, 2]) as tf.Tensor4D;
        const filter = tf.reshape(tf.range(0, 6), [3, 1, 2, 1]) as tf.Tensor4D;
        const pooled = tf.grad((t) => tf.sum(tf.square(tf.maxPool(t as tf.Tensor4D, 2, 2, 0, 'ceil'))))(x);
        const convolved = tf.grads((t, f) => tf.sum(tf.square(tf.conv2d(t as tf.Tensor4D, f as tf.Tensor4D, 1, 1))))([
          x,
          filter,
        ]);
        return [pooled, ...convolved].map((t) => ({ shape: t.shape, values: [...t.dataSync()] }));
      });
    const ours = run();
    await tf.setBackend('cpu');
    const theirs = run();
    await tf.setBackend('torch');
    expect(ours).toEqual(theirs);
  });

  it('counts references for identity and reshape, and copies nothing', () => {
    const x = tf.ones([64, 64]);
    const before = state();
    const y = tf.clone(tf.reshape(x, [4096]));
    expect(state()).toEqual(before);
    x.dispose();
    expect([...tf.slice(y, [0], [2]).dataSync()]).toEqual([1, 1]);
  });

  it('keeps a view of another order right under any later shape', () => {
    const x = tf.transpose(tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]));
    expect([...tf.reshape(x, [6]).dataSync()]).toEqual([1, 4, 2, 5, 3, 6]);
    expect([...tf.add(tf.reshape(x, [2, 3]), 0).dataSync()]).toEqual([1, 4, 2, 5, 3, 6]);
    expect([...x.dataSync()]).toEqual([1, 4, 2, 5, 3, 6]);
  });

  it('keeps numbers on the host, in arithmetic, as tensors, and back', () => {
    const before = state();
    const half = tf.scalar(0.5);
    expect(state()).toEqual(before);
    expect([...tf.mul(tf.tensor1d([2, 4]), half).dataSync()]).toEqual([1, 2]);
    expect([...tf.reshape(half, [1]).dataSync()]).toEqual([0.5]);
    expect([...tf.stack([half, tf.scalar(2)]).dataSync()]).toEqual([0.5, 2]);
    expect(half.dataSync()[0]).toBe(0.5);
    expect(tf.scalar(true, 'bool').dataSync()[0]).toBe(1);
    expect(tf.scalar(7, 'int32').dataSync()).toEqual(new Int32Array([7]));
  });

  it('whole numbers divide, wrap and rise as on the cpu engine', () => {
    const [a, b] = [tf.tensor1d([7, -7, 5, 2], 'int32'), tf.tensor1d([2, 2, -3, 3], 'int32')];
    expect([...tf.floorDiv(a, b).dataSync()]).toEqual([3, -4, -2, 0]);
    expect([...tf.mod(a, b).dataSync()]).toEqual([1, 1, -1, 2]);
    expect([...tf.pow(tf.tensor1d([2, 3], 'int32'), tf.tensor1d([3, 2], 'int32')).dataSync()]).toEqual([8, 9]);
  });

  it('gives memory back: the same steps again hold no more tensors and no more bytes', () => {
    const w = tf.variable(tf.ones([32, 32]));
    const step = () =>
      tf.tidy(() => {
        const { grads } = tf.variableGrads(() => tf.sum(tf.square(tf.matMul(tf.ones([8, 32]), w))) as tf.Scalar, [w]);
        w.assign(tf.sub(w, tf.mul(Object.values(grads)[0]!, 1e-3)));
      });
    step();
    const before = { ...state(), ids: tf.memory().numDataBuffers };
    for (let i = 0; i < 50; i++) step();
    expect({ ...state(), ids: tf.memory().numDataBuffers }).toEqual(before);
    w.dispose();
  });

  it('says which kernel failed and on what, and goes on', () => {
    const before = state();
    expect(() => tf.einsum('ij,jk->ik', tf.ones([2, 3]), tf.ones([2, 3]))).toThrow(/axis/);
    const failing = () => tf.tidy(() => tf.gather(tf.ones([2, 2]), tf.tensor1d([5], 'int32')));
    expect(failing).toThrow(TorchError);
    expect(failing).toThrow(/GatherV2 of \[2,2\], \[1\]: .*index value 5 is not in \[0, 1\]/);
    expect(state().tensors).toBeLessThanOrEqual(before.tensors + 3);
    expect([...tf.add(tf.tensor1d([1]), 1).dataSync()]).toEqual([2]);
  });

  it('more memory than there is: an error with its size, and the program goes on', () => {
    const huge = () => tf.tidy(() => tf.add(tf.tile(tf.ones([1, 1]), [1 << 22, 1 << 20]), tf.ones([1, 1 << 20])));
    expect(huge).toThrow(/Add of \[4194304,1048576\].*alloc.*17592186044416 bytes/is);
    expect([...tf.add(tf.tensor1d([1]), 1).dataSync()]).toEqual([2]);
  });

  it("precision 'medium' rounds operands of products to eight bits, and nothing else", () => {
    const [a, b] = [tf.randomUniform([64, 64], 1, 2, 'float32', 1), tf.randomUniform([64, 64], 1, 2, 'float32', 2)];
    const exact = tf.matMul(a, b);
    const error = (y: tf.Tensor) => tf.max(tf.abs(tf.div(tf.sub(y, exact), exact))).dataSync()[0]!;
    setPrecision('high');
    expect(error(tf.matMul(a, b))).toBeLessThan(2 ** -10);
    setPrecision('medium');
    expect(error(tf.matMul(a, b))).toBeGreaterThan(1e-6);
    expect(error(tf.matMul(a, b))).toBeLessThan(2 ** -7);
    expect([...tf.add(a, b).dataSync()]).toEqual([...a.dataSync()].map((x, i) => Math.fround(x + b.dataSync()[i]!)));
    const image = tf.randomUniform<tf.Rank.R4>([2, 9, 9, 8], 1, 2, 'float32', 3);
    const filter = tf.randomUniform<tf.Rank.R4>([3, 3, 8, 4], 1, 2, 'float32', 4);
    const conv = tf.grads((x, f) => tf.conv2d(x as tf.Tensor4D, f as tf.Tensor4D, 1, 'same'));
    const [mediumX, mediumF] = conv([image, filter]);
    setPrecision('highest');
    const [exactX, exactF] = conv([image, filter]);
    for (const [medium, exact] of [
      [mediumX!, exactX!],
      [mediumF!, exactF!],
    ] as const) {
      const worst = tf.max(tf.abs(tf.div(tf.sub(medium, exact), exact))).dataSync()[0]!;
      expect(worst).toBeGreaterThan(1e-6);
      expect(worst).toBeLessThan(2 ** -7);
    }
    const [q, k, v] = [5, 6, 7].map((seed) => tf.randomNormal([2, 2, 9, 8], 0, 1, 'float32', seed)) as tf.Tensor[];
    const kernel = () => tf.engine().runKernel('MedalignAttention', { q: q!, k: k!, v: v! }, { scale: 0.35 });
    const attention = () => (kernel() as unknown as [tf.Tensor])[0];
    setPrecision('highest');
    const exactAttention = attention();
    setPrecision('medium');
    const off = tf.max(tf.abs(tf.sub(attention(), exactAttention))).dataSync()[0]!;
    expect(off).toBeGreaterThan(1e-5);
    expect(off).toBeLessThan(0.03);
    expect(() => setPrecision('low' as never)).toThrow(/precision: expected highest, high, medium, got 'low'/);
  });

  it('computes in as many threads as it is told, and keeps to them', async () => {
    const threads = () => {
      const { call } = tf.backend() as TorchBackend;
      call.native.state();
      return call.output[2]!;
    };
    const usual = threads();
    await registerTorch({ threads: 1 });
    await registerTorch();
    expect(threads()).toBe(1);
    await registerTorch({ threads: 2 });
    expect(threads()).toBe(2);
    await registerTorch({ threads: usual });
    await expect(registerTorch({ threads: 0 })).rejects.toThrow('threads: expected a whole number above 0, got 0');
  });

  it('runs what it lacks on the cpu engine, strings and complex numbers too', () => {
    fallbacks.clear();
    const c = tf.complex([3, 0], [4, 2]);
    expect([...tf.abs(c).dataSync()]).toEqual([5, 2]);
    expect([...tf.real(tf.mul(c, c)).dataSync()]).toEqual([-7, -4]);
    expect(tf.tile(tf.reshape(tf.tensor(['a', 'b']), [2]), [2]).dataSync()).toEqual(['a', 'b', 'a', 'b']);
    expect([...fallbacks.keys()]).toEqual(expect.arrayContaining(['ComplexAbs', 'Multiply', 'Tile']));
  });

  it('leaves nothing on the cpu engine when a kernel there fails', () => {
    const cpu = tf.findBackend('cpu');
    const before = cpu.numDataIds();
    const outside = () => tf.tidy(() => tf.gatherND(tf.ones([2, 2]), tf.tensor2d([9, 9], [1, 2], 'int32')));
    expect(outside).toThrow();
    expect(cpu.numDataIds()).toBe(before);
  });

  it('parts of complex numbers come and go without a trace', () => {
    const before = { ...state(), ...tf.memory() };
    tf.dispose(tf.tidy(() => tf.real(tf.complex(tf.tensor1d([1]), tf.tensor1d([2])))));
    expect({ ...state(), ...tf.memory() }).toEqual(before);
  });

  it('answers for one device in a process', async () => {
    const { device, version } = await registerTorch();
    expect(version).toMatch(/^\d+\.\d+\.\d+/);
    await expect(registerTorch({ device: device === 'cpu' ? 'cuda:7' : 'cpu' })).rejects.toThrow(
      /was asked for|no CUDA device/,
    );
    expect(native().version).toBe(version);
  });
});
