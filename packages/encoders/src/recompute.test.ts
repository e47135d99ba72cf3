import { expectClose, expectNoLeak, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { weigh } from '../goldens/read';
import { Bert, type Module, ResNet, recompute, VisionTransformer } from './index';

type Run = (checkpoint: boolean) => tf.Tensor;

/** The value, every gradient, and what the engine held when the forward pass was over. */
function measure(model: Module, run: Run, checkpoint: boolean) {
  let live = { tensors: 0, bytes: 0 };
  const start = tf.memory();
  const loss = () => {
    const value = tf.tidy(() => weigh(run(checkpoint)));
    const { numTensors, numBytes } = tf.memory();
    live = { tensors: numTensors - start.numTensors, bytes: numBytes - start.numBytes };
    return value;
  };
  const parameters = model.parameters();
  const { value, grads } = tf.variableGrads(loss, [...parameters.values()]);
  return {
    value: value.dataSync()[0]!,
    gradients: [...parameters].map(([name, variable]) => [name, grads[variable.name]!] as const),
    live,
  };
}

function expectSame(plain: ReturnType<typeof measure>, twice: ReturnType<typeof measure>): void {
  expect(twice.value).toBeCloseTo(plain.value, 5);
  expect(twice.gradients.map(([name]) => name)).toEqual(plain.gradients.map(([name]) => name));
  const sizes = plain.gradients.map(([, gradient]) => tf.max(tf.abs(gradient)).dataSync()[0]!);
  // a bias of the keys has the gradient 0, and rounding: what counts as small is what is small beside the others
  const floor = 0.01 * Math.max(...sizes);
  plain.gradients.forEach(([, gradient], i) => {
    const scale = Math.max(floor, sizes[i]!);
    expectClose(tf.div(twice.gradients[i]![1], scale), tf.div(gradient, scale), 1e-6);
  });
  expect(floor).toBeGreaterThan(0);
  expect(twice.live.bytes).toBeLessThan(0.6 * plain.live.bytes);
  expect(twice.live.tensors).toBeLessThan(plain.live.tensors);
}

onEveryEngine('gradient checkpointing', () => {
  it('of BERT: the same numbers and masks, less memory', () => {
    const sizes = { vocabSize: 11, hiddenSize: 8, layers: 4, heads: 2, maxPositions: 16, dropout: 0.3 };
    const model = new Bert(sizes);
    const ids = tf.tensor2d(Array.from({ length: 24 }, (_, i) => (i * 7) % 11), [2, 12], 'int32'); // biome-ignore format: one line
    const run: Run = (checkpoint) => {
      // made inside: a mask of the forward pass is gone when the gradient is computed
      const attentionMask = tf.cast(tf.less(tf.range(0, 24), 19), 'float32');
      const inputs = { ids, attentionMask: tf.reshape(attentionMask, [2, 12]) };
      const { hiddenStates, pooled } = model.apply(inputs, { training: true, seed: 3, checkpoint });
      return tf.concat([tf.reshape(tf.add(hiddenStates[2]!, hiddenStates[4]!), [-1]), tf.reshape(pooled, [-1])]);
    };
    const measured = [false, true].map((checkpoint) => measure(model, run, checkpoint));
    expectSame(measured[0]!, measured[1]!);
    model.dispose();
  });

  it('of a vision transformer: the same numbers and masks, less memory', () => {
    const sizes = { imageSize: 16, patchSize: 4, width: 8, layers: 4, heads: 2, layerScale: 1 };
    const model = new VisionTransformer({ ...sizes, dropout: 0.3, attentionDropout: 0 });
    const images = random(4).tensor([2, 16, 16, 3]);
    const run: Run = (checkpoint) => model.apply(images, { training: true, seed: 3, checkpoint }).tokens;
    const measured = [false, true].map((checkpoint) => measure(model, run, checkpoint));
    expectSame(measured[0]!, measured[1]!);
    model.dispose();
  });

  it('of a ResNet: the same numbers, less memory, and running statistics that move once', () => {
    const build = () => new ResNet({ block: 'basic', layers: [3, 3], widths: [4, 8], stem: 'small', inChannels: 1 });
    const [plain, twice] = [build(), build()];
    const images = random(5).tensor([2, 16, 16, 1]);
    const run =
      (model: ResNet): Run =>
      (checkpoint) =>
        model.apply(images, { training: true, checkpoint }).features[1]!;
    expectSame(measure(plain, run(plain), false), measure(twice, run(twice), true));
    for (const [name, buffer] of plain.buffers()) {
      expectClose(twice.buffers().get(name)!, buffer, 0);
      if (name.endsWith('tracked')) expect(buffer.dataSync()[0]).toBe(1);
    }
    plain.dispose();
    twice.dispose();
  });

  it('leaves frozen parts alone', () => {
    const model = new ResNet({ block: 'basic', layers: [1, 1], widths: [2, 3], stem: 'small', inChannels: 1 });
    model.freeze('layer2.*');
    const images = random(6).tensor([2, 8, 8, 1]);
    const run: Run = (checkpoint) => model.apply(images, { checkpoint }).pooled;
    const [plain, twice] = [measure(model, run, false), measure(model, run, true)];
    expect(twice.gradients.length).toBe(plain.gradients.length);
    plain.gradients.forEach(([, gradient], i) => {
      expectClose(twice.gradients[i]![1], gradient, 1e-6);
    });
    model.dispose();
  });

  it('gives a zero gradient to what takes no part, and lets an error through', () => {
    const [x, y] = [tf.tensor1d([1, 2]), tf.tensor1d([3, 4])];
    const [dx, dy] = tf.grads((a, b) => tf.sum(recompute(([p]) => tf.square(p!), [a!, b!])))([x, y]);
    expectClose(dx!, [2, 4], 0);
    expectClose(dy!, [0, 0], 0);
    const fail = () =>
      recompute(
        ([p], _, again) => {
          if (again) throw new Error('the second time');
          return tf.square(p!);
        },
        [x],
      );
    expect(() => tf.grad(() => tf.sum(fail()))(x)).toThrow(/the second time/);
    expectClose(tf.grad((a) => tf.sum(tf.square(a)))(x), [2, 4], 0);
  });

  it('leaks nothing', () => {
    const model = new VisionTransformer({ imageSize: 8, patchSize: 4, width: 4, layers: 2, heads: 2, dropout: 0.1 });
    const images = tf.ones([1, 8, 8, 3]);
    const apply = () => tf.tidy(() => model.apply(images, { training: true, seed: 1, checkpoint: true }).tokens);
    expectNoLeak(apply, [images]);
    const loss = () => tf.sum(apply()) as tf.Scalar;
    expectNoLeak(() => tf.variableGrads(loss, [...model.parameters().values()]), [images]);
    model.dispose();
  });
});
