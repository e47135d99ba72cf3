import { expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { Bert } from './bert';
import { inMicroBatches, type MicroBatch } from './micro-batches';
import { ResNet } from './resnet';

onEveryEngine('inMicroBatches', () => {
  const tower = () => new ResNet({ block: 'basic', layers: [1, 1], widths: [3, 4], stem: 'small', inChannels: 1 });

  /** A loss over all pairs of the batch, and its gradients. */
  function gradientsOf(model: ResNet, images: tf.Tensor, microBatch: number | undefined, training = false) {
    const encode = ({ begin, size }: { begin: number; size: number }) => {
      const { features, pooled } = model.apply(tf.slice(images, begin, size), { training, checkpoint: training });
      return { local: features[0]!, pooled };
    };
    const samples = images.shape[0]!;
    const variables = [...model.parameters().values()];
    const loss = () => {
      const { local, pooled } = microBatch
        ? inMicroBatches(encode, { samples, microBatch, variables })
        : encode({ begin: 0, size: samples });
      const pairs = tf.matMul(pooled as tf.Tensor2D, pooled as tf.Tensor2D, false, true);
      return tf.add(tf.mean(tf.logSumExp(pairs, 1)), tf.mean(tf.square(local))) as tf.Scalar;
    };
    const { value, grads } = tf.variableGrads(loss, variables);
    return { value, gradients: variables.map(({ name }) => grads[name]!) };
  }

  it.each([1, 2, 3, 5, 9])('of %i samples give the gradients of the whole batch', (microBatch) => {
    const model = tower();
    const images = random(1).tensor([5, 8, 8, 1]);
    const [whole, parts] = [gradientsOf(model, images, undefined), gradientsOf(model, images, microBatch)];
    expectClose(parts.value, whole.value, 1e-6);
    whole.gradients.forEach((gradient, i) => {
      expectClose(parts.gradients[i]!, gradient, 1e-5);
    });
    model.dispose();
  });

  it('drop the same values in the second run, and see constants that are gone by then', () => {
    const bert = new Bert({ vocabSize: 9, hiddenSize: 4, layers: 1, heads: 2, maxPositions: 4, dropout: 0.5 });
    const ids = tf.tensor2d([1, 2, 3, 4, 5, 6, 7, 8, 1], [3, 3], 'int32');
    const variables = [...bert.parameters()].flatMap(([name, variable]) => (/pooler/.test(name) ? [] : [variable]));
    const weights = random(3).tensor([3, 3, 4]);
    const encode = ({ begin, size, constants: [mask] }: MicroBatch) => {
      const given = { ids: tf.slice(ids, begin, size), attentionMask: tf.slice(mask!, begin, size) };
      return { words: bert.apply(given, { training: true, seed: 7 + begin }).hiddenStates.at(-1)! };
    };
    const gradientsOf = (words: (mask: tf.Tensor) => tf.Tensor) => {
      const loss = () => {
        const mask = tf.tensor2d([1, 1, 0, 1, 1, 1, 1, 0, 0], [3, 3]);
        const value = tf.sum(tf.mul(words(mask), weights)) as tf.Scalar;
        mask.dispose();
        return value;
      };
      const { grads } = tf.variableGrads(loss, variables);
      return variables.map(({ name }) => grads[name]!);
    };
    const options = { samples: 3, microBatch: 2, variables };
    const parts = gradientsOf((mask) => inMicroBatches(encode, { ...options, constants: [mask] }).words);
    const kept = gradientsOf((mask) => {
      const part = (begin: number, size: number) => encode({ begin, size, constants: [mask] }).words;
      return tf.concat([part(0, 2), part(2, 1)]);
    });
    kept.forEach((gradient, i) => {
      expectClose(parts[i]!, gradient, 1e-5);
    });
    bert.dispose();
  });

  it('move running statistics once for each part, whatever is computed again inside', () => {
    const model = tower();
    gradientsOf(model, random(2).tensor([4, 8, 8, 1]), 2, true);
    expect(model.buffers().get('bn1.num_batches_tracked')!.dataSync()[0]).toBe(2);
    expect(model.buffers().get('layer1.0.bn1.num_batches_tracked')!.dataSync()[0]).toBe(2);
    model.dispose();
  });

  it('hold the memory of one part: fewer bytes at the peak than the whole batch', () => {
    const model = tower();
    const images = random(4).tensor([8, 32, 32, 1]);
    const peak = (microBatch: number | undefined) => {
      let most = 0;
      const before = tf.memory().numBytes;
      const engine = tf.engine() as unknown as { trackTensor: (...given: unknown[]) => void };
      const track = engine.trackTensor;
      engine.trackTensor = function (...given) {
        track.apply(this, given);
        most = Math.max(most, tf.memory().numBytes - before);
      };
      try {
        tf.dispose(tf.tidy(() => gradientsOf(model, images, microBatch).value));
      } finally {
        engine.trackTensor = track;
      }
      return most;
    };
    expect(peak(1)).toBeLessThan(peak(undefined) / 2);
    model.dispose();
  });

  it('leak nothing, and say what is wrong', () => {
    const model = tower();
    const images = random(5).tensor([3, 8, 8, 1]);
    expectNoLeak(() => {
      const { value, gradients } = gradientsOf(model, images, 2);
      return [value, ...gradients];
    }, [images]);
    const wrong = () => inMicroBatches(() => ({ y: tf.ones([7]) }), { samples: 3, microBatch: 2, variables: [] });
    expect(wrong).toThrow(/y: expected \[2, …\], one for each sample, got \[7\]/);
    expect(() => inMicroBatches(() => ({}), { samples: 3, microBatch: 2, variables: [] })).toThrow(
      /expected features by name/,
    );
    expect(() => inMicroBatches(() => ({}), { samples: 3, microBatch: 0, variables: [] })).toThrow(/microBatch/);
    model.dispose();
  });
});
