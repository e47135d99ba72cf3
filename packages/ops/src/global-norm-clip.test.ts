import { expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { globalNormClip } from './index';

onEveryEngine('globalNormClip', () => {
  const draw = () => {
    const r = random(9);
    return [r.tensor([3, 5]), r.tensor([]), r.tensor([40_001]), tf.transpose(r.tensor([2, 7]))];
  };
  const values = (list: tf.Tensor[]) => list.map((x) => [...x.dataSync()]);

  it.each([0.5, 1e6, Number.POSITIVE_INFINITY])('equals the plain loop for a norm of at most %d', (maxNorm) => {
    const tensors = draw();
    const norm = Math.sqrt(
      values(tensors)
        .flat()
        .reduce((sum, x) => sum + x * x, 0),
    );
    const factor = Math.min(1, maxNorm / (norm + 1e-6));
    const { clipped, norm: measured } = globalNormClip(tensors, { maxNorm });
    expect(measured.shape).toEqual([]);
    expectClose(measured, [norm], 1e-5);
    for (const [i, x] of values(tensors).entries()) {
      expect(clipped[i]!.shape).toEqual(tensors[i]!.shape);
      expectClose(
        clipped[i]!,
        x.map((value) => value * factor),
        1e-6,
      );
    }
  });

  it('hands NaN on, leaks nothing and says what is wrong', () => {
    const tensors = draw();
    const { clipped, norm } = globalNormClip([...tensors, tf.tensor1d([Number.NaN])], { maxNorm: 1 });
    expect(norm.dataSync()[0]).toBeNaN();
    expect(clipped[1]!.dataSync()[0]).toBeNaN();
    expectNoLeak(() => {
      const { clipped, norm } = globalNormClip(tensors, { maxNorm: 1 });
      return [...clipped, norm];
    }, tensors);
    expect(() => globalNormClip(tensors, { maxNorm: 0 })).toThrow('maxNorm must be > 0, got 0');
    expect(() => globalNormClip([], { maxNorm: 1 })).toThrow(/at least one/);
  });
});
