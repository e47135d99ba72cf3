import { expectNoLeak, onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';

onEveryEngine('kernels that an engine of tfjs has wrong or not at all', () => {
  it('rounds integers to themselves', () => {
    const x = tf.tensor1d([-12345678, 10, 12345678], 'int32');
    const rounded = tf.round(x);
    expect([...rounded.dataSync()]).toEqual([-12345678, 10, 12345678]);
    rounded.dispose();
    expect(x.arraySync()[1]).toBe(10);
    expectNoLeak(() => tf.round(x), [x]);
  });

  it('scatters by a list of indices', () => {
    const [indices, updates] = [tf.tensor1d([4, 1], 'int32'), tf.tensor1d([5, 6])];
    expect([...tf.scatterND(indices, updates, [5]).dataSync()]).toEqual([0, 6, 0, 0, 5]);
    expectNoLeak(() => tf.scatterND(indices, updates, [5]), [indices, updates]);
  });

  it('leaves out segments beyond the last and before the first', () => {
    const [x, ids] = [tf.tensor1d([1, 2, 4, 8]), tf.tensor1d([1, 1, 5, -1], 'int32')];
    expect([...tf.unsortedSegmentSum(x, ids, 3).dataSync()]).toEqual([0, 3, 0]);
    expectNoLeak(() => tf.unsortedSegmentSum(x, ids, 3), [x, ids]);
  });

  it('finds places in sorted rows', () => {
    const [rows, values] = [tf.tensor1d([1, 3, 5]), tf.tensor1d([0, 3, 9])];
    expect([...tf.searchSorted(rows, values).dataSync()]).toEqual([0, 1, 3]);
    expectNoLeak(() => tf.searchSorted(rows, values), [rows, values]);
  });
});
