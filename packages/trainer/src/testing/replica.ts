// What the threads of replica-group.test.ts run.
import { useBackend } from '@medalign/backend';
import * as tf from '@tensorflow/tfjs-core';
import type { ReplicaGroup } from '../replica-group';
import { serveReplica } from '../replica-threads';
import { Contrastive, type Pairs } from './contrastive';

export type Work =
  | { kind: 'gather'; rows: number[][] }
  | { kind: 'mean'; values: number[] }
  | { kind: 'step'; pairs: Pairs }
  | { kind: 'parameters' }
  | { kind: 'throw'; message: string };

/** What every replica does with its share; the test itself is replica 0. */
export function doWork(work: Work, model: Contrastive, group: ReplicaGroup): Float32Array {
  return tf.tidy(() => {
    switch (work.kind) {
      case 'gather':
        return group.allGather(tf.tensor2d(work.rows)).dataSync() as Float32Array;
      case 'mean':
        return group
          .allMean(new Map([['x', tf.tensor1d(work.values)]]))
          .get('x')!
          .dataSync() as Float32Array;
      case 'step':
        model.step(work.pairs, group);
        return new Float32Array();
      case 'parameters':
        return group.allGather(tf.reshape(model.w, [1, -1])).dataSync() as Float32Array;
      case 'throw':
        throw new Error(work.message);
    }
  });
}

await serveReplica<{ engine: string; failing?: string }, Work>(async ({ engine, failing }, group) => {
  if (failing) throw new Error(failing);
  await useBackend(engine as 'cpu', { log: () => {} });
  const model = new Contrastive();
  return (work) => void doWork(work, model, group);
});
