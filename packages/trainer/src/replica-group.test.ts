import { engines, expectClose, expectNoLeak, onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Adam } from './adam';
import { valueAndGradients } from './gradients';
import { ReplicaGroup, shareReplicas } from './replica-group';
import { ReplicaThreads } from './replica-threads';
import { Contrastive, type Pairs } from './testing/contrastive';
import type { Work } from './testing/replica';

const entry = new URL('./testing/replica-thread.mjs', import.meta.url);
const started: ReplicaThreads<Work>[] = [];
async function start(size: number, { capacity = 64, setup }: { capacity?: number; setup: object }) {
  const replicas = await ReplicaThreads.start<object, Work>(entry, {
    size,
    capacity,
    setup,
    execArgv: ['--conditions=@medalign/source'],
  });
  started.push(replicas);
  return replicas;
}
afterEach(async () => {
  for (const replicas of started.splice(0)) await replicas.stop();
});

const pairs: Pairs = {
  images: [
    [1, 0, 2],
    [0, 1, -1],
    [0.5, 0.5, 0],
    [-1, 2, 1],
  ],
  texts: [
    [1, 0],
    [0, 1],
    [0.5, -1],
    [1, 1],
  ],
};
const shareOf = ({ images, texts }: Pairs, rank: number, size: number): Pairs => {
  const cut = <T>(rows: T[]) => rows.slice((rank * rows.length) / size, ((rank + 1) * rows.length) / size);
  return { images: cut(images), texts: cut(texts) };
};

onEveryEngine('two replicas', (engine) => {
  it('move as one model does on the whole batch, and stay equal to the bit', async () => {
    const replicas = await start(2, { setup: { engine } });
    const [model, whole] = [new Contrastive(), new Contrastive()];
    const adam = new Adam(whole.parameters, { learningRate: 0.1 });
    for (let step = 0; step < 5; step++) {
      replicas.send(1, { kind: 'step', pairs: shareOf(pairs, 1, 2) });
      model.step(shareOf(pairs, 0, 2), replicas.group);
      tf.tidy(() => {
        // equal shares: the mean of their mean squares is the mean square of the batch
        const f = () => {
          const { global, local } = whole.loss(pairs, (x) => x);
          return tf.add(global, local) as tf.Scalar;
        };
        adam.step(valueAndGradients(f, whole.parameters).gradients);
      });
      expectClose(model.w, whole.w, 1e-5);
    }
    replicas.send(1, { kind: 'parameters' });
    const both = replicas.group.allGather(tf.reshape(model.w, [1, -1])).dataSync();
    expect([...both.slice(6)]).toEqual([...both.slice(0, 6)]);
    expect([...both.slice(0, 6)]).not.toEqual([1, 0.5, -0.5, 0.25, 0, 1]);
  });
});

describe('replicas', () => {
  const engine = engines[0]!;
  beforeAll(async () => {
    const { useBackend } = await import('@medalign/backend');
    await useBackend(engine as 'cpu', { log: () => {} });
  });

  it('gather rows in the order of ranks and take means, however many rows each has', async () => {
    const replicas = await start(3, { setup: { engine } });
    const row = fc.array(fc.float({ min: -8, max: 8, noNaN: true }).map(Math.fround), { minLength: 2, maxLength: 2 });
    const rows = fc.array(row, { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(rows, rows, rows, (a, b, c) => {
        replicas.send(1, { kind: 'gather', rows: b });
        replicas.send(2, { kind: 'gather', rows: c });
        const all = tf.tidy(() => replicas.group.allGather(tf.tensor2d(a)).arraySync());
        expect(all).toEqual([...a, ...b, ...c]);
      }),
      { numRuns: 30 },
    );
    const values = fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(values, values, values, (a, b, c) => {
        replicas.send(1, { kind: 'mean', values: b });
        replicas.send(2, { kind: 'mean', values: c });
        const mean = tf.tidy(() =>
          replicas.group
            .allMean(new Map([['x', tf.tensor1d(a)]]))
            .get('x')!
            .arraySync(),
        );
        expectClose(
          tf.tensor1d(mean as number[]),
          a.map((x, i) => (x + b[i]! + c[i]!) / 3),
          1e-5,
        );
      }),
      { numRuns: 30 },
    );
  });

  it('leave no tensor behind', async () => {
    const replicas = await start(2, { setup: { engine } });
    expectNoLeak(() => {
      replicas.send(1, { kind: 'gather', rows: [[1, 2]] });
      replicas.send(1, { kind: 'mean', values: [1, 2, 3] });
      const own = tf.tensor2d([[3, 4]]);
      const gathered = replicas.group.allGather(own);
      const x = tf.tensor1d([1, 2, 3]);
      const means = replicas.group.allMean(new Map([['x', x]]));
      return [own, gathered, x, ...means.values()];
    });
  });

  it('stop all when one fails, with its message', async () => {
    const replicas = await start(2, { setup: { engine } });
    replicas.send(1, { kind: 'throw', message: 'the share of replica 1 is broken' });
    expect(() => replicas.group.allMean(new Map([['x', tf.scalar(1)]]))).toThrow(
      /replica 1 stopped: the share of replica 1 is broken/,
    );
  });

  it('say so when they gave different amounts, or rows that do not fit', async () => {
    const replicas = await start(2, { setup: { engine } });
    replicas.send(1, { kind: 'mean', values: [1, 2] });
    expect(() => replicas.group.allMean(new Map([['x', tf.tensor1d([1, 2, 3])]]))).toThrow(/replicas gave 3, 2 values/);
    const others = await start(2, { setup: { engine } });
    others.send(1, { kind: 'gather', rows: [[1, 2]] });
    expect(() => others.group.allGather(tf.tensor2d([[1, 2, 3]]))).toThrow(
      /gave 3, 2 values, not all of them rows of 3/,
    );
  });

  it('give up on a replica that does not answer, after the time that was set', () => {
    const group = new ReplicaGroup(shareReplicas(2, 8, { timeoutSeconds: 0.2 }), 0);
    expect(() => group.allMean(new Map([['x', tf.scalar(1)]]))).toThrow(/did not answer within 0.2 s/);
  });

  it('report a thread that fails before it is ready', async () => {
    await expect(start(2, { setup: { engine, failing: 'no such engine' } })).rejects.toThrow('no such engine');
  });

  it('refuse more values than there is room for, and ranks and sizes that cannot be', () => {
    const group = new ReplicaGroup(shareReplicas(2, 2), 1);
    expect(() => group.allMean(new Map([['x', tf.tensor1d([1, 2, 3])]]))).toThrow(
      /3 values in one exchange.*room for 2/,
    );
    expect(() => shareReplicas(0, 1)).toThrow(/size: expected a whole number of at least 1, got 0/);
    expect(() => shareReplicas(2, 1.5)).toThrow(/capacity: expected/);
    expect(() => new ReplicaGroup(shareReplicas(2, 1), 2)).toThrow(/rank: expected a whole number from 0 to 1, got 2/);
  });
});
