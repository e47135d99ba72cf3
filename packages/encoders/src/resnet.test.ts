import { expectClose, expectNoLeak, onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { expectGradients, type Golden, golden, state, tensor, weigh } from '../goldens/read';
import { ResNet, resnet18 } from './index';
import { fromEcosystem } from './state';

onEveryEngine('ResNet', () => {
  for (const name of ['resnet-basic', 'resnet-bottleneck']) {
    const reference = golden(name);
    const { block, layers, widths, stem, channels } = reference;
    const build = () => {
      const model = new ResNet({ block, layers, widths, stem, inChannels: channels });
      expect(model.loadStateDict(state(reference.state))).toMatchObject({ missing: [], unexpected: [] });
      return model;
    };

    it(`${name}: inference and its gradient equal PyTorch`, () => {
      const model = build();
      const { features, pooled } = model.apply(tensor(reference.images));
      features.forEach((feature, stage) => {
        expect(feature.shape).toEqual(reference.features[stage].shape);
        expectClose(feature, reference.features[stage].data, 1e-4);
      });
      expectClose(pooled, reference.pooled.data, 1e-4);
      const first = model.parameters().get('conv1.weight')!;
      const { grads } = tf.variableGrads(() => weigh(model.apply(tensor(reference.images)).pooled), [first]);
      const { data } = fromEcosystem(reference.inferenceGradient, 'convolution');
      expectClose(grads[first.name]!, data as ArrayLike<number>, 1e-3);
      model.dispose();
    });

    it(`${name}: training equals PyTorch in outputs, gradients and running statistics`, () => {
      const model = build();
      const images = tensor(reference.images);
      let pooled: number[] = [];
      expectGradients(model, build(), reference.training.gradients, () => {
        const result = model.apply(images, { training: true });
        pooled = Array.from(result.pooled.dataSync());
        return weigh(result.pooled);
      });
      expectClose(pooled, reference.training.pooled.data, 1e-4);
      for (const [buffer, { data }] of Object.entries(reference.training.buffers as Record<string, Golden>)) {
        expectClose(model.buffers().get(buffer)!, data, 1e-4);
      }
      model.dispose();
    });
  }

  it('writes the state it read', () => {
    const reference = golden('resnet-basic');
    const { block, layers, widths, stem, channels } = reference;
    const model = new ResNet({ block, layers, widths, stem, inChannels: channels });
    model.loadStateDict(state(reference.state));
    const written = model.stateDict();
    expect([...written.keys()].sort()).toEqual(Object.keys(reference.state).sort());
    for (const [name, { shape, data }] of written) {
      expect(shape, name).toEqual(reference.state[name].shape);
      expectClose(data, reference.state[name].data, 1e-6);
    }
    model.dispose();
  });

  it('leaks nothing, and frees everything', () => {
    const before = tf.memory().numTensors;
    const model = new ResNet({ block: 'basic', layers: [1, 1], widths: [2, 4], stem: 'small', inChannels: 1 });
    const images = tf.ones([2, 8, 8, 1]);
    expectNoLeak(() => model.apply(images), [images]);
    expectNoLeak(() => model.apply(images, { training: true }), [images]);
    expectNoLeak(
      () =>
        tf.variableGrads(
          () => tf.sum(model.apply(images, { training: true }).pooled) as tf.Scalar,
          [...model.parameters().values()],
        ),
      [images],
    );
    model.dispose();
    images.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

onEveryEngine('ResNet of Hugging Face', () => {
  const options = {
    'resnet-huggingface-basic': { block: 'basic', widths: [6, 8], strides: [2, 2] },
    'resnet-huggingface-bottleneck': { block: 'bottleneck', widths: [4, 6], strideIn: '1x1' },
  } as const;

  it.each(Object.keys(options) as (keyof typeof options)[])('%s: outputs and gradients are equal', (name) => {
    const reference = golden(name);
    const { widths, ...rest } = options[name];
    const build = () => new ResNet({ ...rest, layers: [1, 2], widths: [...widths], strides: [...('strides' in rest ? rest.strides : [1, 2])], stemWidth: 4 }); // biome-ignore format: one line
    const model = build();
    const report = model.loadStateDict(state(reference.state));
    expect(report).toMatchObject({ missing: [], unexpected: [], mismatched: [], unused: [] });
    const images = tensor(reference.images);
    const { features, pooled } = model.apply(images);
    features.forEach((feature, stage) => {
      expectClose(feature, reference.features[stage].data, 1e-4);
    });
    expectClose(pooled, reference.pooled.data, 1e-4);
    expectGradients(model, build(), reference.gradients, () => weigh(model.apply(images).pooled));
    const headed = new Map([...state(reference.state)].map(([key, entry]) => [`resnet.${key}`, entry]));
    headed.set('classifier.1.weight', { shape: [1], data: [0] });
    expect(build().loadStateDict(headed)).toMatchObject({ missing: [], unused: ['classifier.1.weight'] });
    model.dispose();
  });

  it('gives local features by the name of their stage', () => {
    const model = new ResNet({ block: 'basic', layers: [1, 1, 1], widths: [2, 3, 4], stem: 'small' });
    const images = tf.ones([1, 16, 16, 3]);
    expect(model.apply(images).local.shape).toEqual([1, 2, 2, 4]);
    expect(model.apply(images, { local: 'layer2' }).local.shape).toEqual([1, 4, 4, 3]);
    expect(() => model.apply(images, { local: 'layer4' })).toThrow(
      /local: expected one of 'layer1', 'layer2', 'layer3'/,
    );
    model.dispose();
  });

  it('refuses a deep stem by name', () => {
    const model = new ResNet({ block: 'basic', layers: [1], widths: [2] });
    const stem = new Map([['conv1.0.weight', { shape: [2, 3, 3, 3], data: new Float32Array(54) }]]);
    expect(() => model.loadStateDict(stem)).toThrow(/'conv1\.0\.weight'.*deep stem/);
    model.dispose();
  });
});

it('names are those of torchvision and timm, the count that of resnet18', () => {
  // Widths of one hundredth: the names are the point here, the real sizes take seconds to draw.
  const tiny = new ResNet({ block: 'bottleneck', layers: [3, 4, 6, 3], widths: [1, 2, 3, 4] });
  const names = [...tiny.stateDict().keys()].sort();
  for (const wanted of [golden('names').resnet50, golden('vit-names').resnet50]) {
    const withoutHead = Object.keys(wanted).filter((name) => !name.startsWith('fc.'));
    expect(names).toEqual(withoutHead.sort());
  }
  tiny.dispose();
  const real = resnet18();
  expect([...real.parameters().values()].reduce((sum, { size }) => sum + size, 0)).toBe(11_176_512);
  real.dispose();
});
