import { expectClose, expectNoLeak, maxDifference, onEveryEngine, random } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { BatchNorm, Linear, ProjectionHead, ResNet } from './index';

onEveryEngine('state dictionaries', () => {
  it('say what is missing, unexpected or of another shape, and change nothing then', () => {
    const layer = new Linear(2, 1, { seed: 3 });
    const before = layer.weight.dataSync().slice();
    const weight = { shape: [1, 2], data: [1, 2] };
    expect(() =>
      layer.loadStateDict(
        new Map([
          ['weight', weight],
          ['extra', weight],
        ]),
      ),
    ).toThrow(/missing in the checkpoint: bias; unexpected in the checkpoint: extra/);
    expect(() =>
      layer.loadStateDict(new Map([['weight', { shape: [2, 1], data: [1, 2] }]]), { strict: false }),
    ).toThrow(/weight: expected shape \[1,2\], got \[2,1\]/);
    expectClose(layer.weight, before, 0);
    const wrapped = new Map([
      ['module.weight', weight],
      ['other.bias', weight],
    ]);
    expect(layer.loadStateDict(wrapped, { strict: false, prefix: 'module.' })).toMatchObject({
      missing: ['bias'],
      unexpected: [],
    });
    expectClose(layer.weight, [1, 2], 0);
    layer.dispose();
  });

  it('lie transposed against PyTorch', () => {
    const layer = new Linear(2, 3, { bias: false });
    layer.loadStateDict(new Map([['weight', { shape: [3, 2], data: [1, 2, 3, 4, 5, 6] }]]));
    expectClose(layer.apply(tf.tensor2d([[1, 10]])), [21, 43, 65]);
    expect(Array.from(layer.stateDict().get('weight')!.data)).toEqual([1, 2, 3, 4, 5, 6]);
    layer.dispose();
  });

  it('of the same seed are the same, of another seed are not', () => {
    const weights = (seed: number) => new Linear(4, 4, { seed }).weight.dataSync();
    expect(weights(1)).toEqual(weights(1));
    expect(weights(1)).not.toEqual(weights(2));
  });
});

onEveryEngine('freezing', () => {
  const build = () => new ResNet({ block: 'basic', layers: [1, 1], widths: [2, 3], stem: 'small', inChannels: 1 });

  it('takes parameters out of training, and back', () => {
    const model = build();
    const all = [...model.parameters().keys()];
    const inside = all.filter((name) => name.startsWith('layer1.'));
    expect(model.freeze(['layer1.*', 'layer1.0.conv?.weight'])).toEqual(inside);
    expect([...model.parameters().keys()]).toEqual(all.filter((name) => !inside.includes(name)));
    expect([...model.frozenParameters().keys()]).toEqual(inside);
    expect([...model.stateDict().keys()]).toEqual(expect.arrayContaining(inside));
    model.freeze('*');
    expect(model.parameters().size).toBe(0);
    expect(model.trainable(/^layer2\..*conv/g)).toEqual(['layer2.0.conv1.weight', 'layer2.0.conv2.weight']);
    expect([...model.parameters().keys()]).toEqual(['layer2.0.conv1.weight', 'layer2.0.conv2.weight']);
    model.dispose();
  });

  it('refuses a pattern that fits nothing, changes nothing then, and says what is near', () => {
    const model = build();
    expect(() => model.freeze(['conv1.*', 'layer1.conv1'])).toThrow(
      /freeze: .*'layer1\.conv1' fits none\. Nearest: layer1\.0\.conv1\.weight.*Fix: a part's parameters are 'part\.\*'/,
    );
    expect(() => model.trainable(/running_mean/)).toThrow(/trainable: .*\/running_mean\/ fits none/);
    expect(model.frozenParameters().size).toBe(0);
    model.dispose();
  });

  it('computes no gradient for frozen parameters, and the same ones for the others', () => {
    const model = build();
    const images = random(1).tensor([2, 8, 8, 1]);
    const loss = () => tf.sum(tf.square(model.apply(images).pooled)) as tf.Scalar;
    const whole = tf.variableGrads(loss, [...model.parameters().values()]).grads;
    model.freeze(['conv1.*', 'bn1.*', 'layer1.*']);
    // without a list tfjs takes every trainable variable
    const some = tf.variableGrads(loss).grads;
    const names = [...model.parameters().values()].map(({ name }) => name);
    expect(Object.keys(some).filter((name) => some[name] && name in whole)).toEqual(names);
    for (const name of names) expectClose(some[name]!, whole[name]!, 0);
    model.dispose();
  });

  it('keeps frozen batch normalisation at its running statistics, unless told otherwise', () => {
    const images = random(2).tensor([2, 8, 8, 1]);
    const means = (model: ResNet) => Object.fromEntries([...model.buffers()].filter(([name]) => name.endsWith('mean')).map(([name, v]) => [name, v.dataSync().slice()])); // biome-ignore format: one line
    for (const batchNorm of ['evaluation', 'training'] as const) {
      const model = build();
      model.freeze('layer1.*', { batchNorm });
      const before = means(model);
      model.apply(images, { training: true });
      const after = means(model);
      const moved = Object.keys(after).filter((name) => maxDifference(before[name]!, after[name]!) > 0);
      const frozen = ['layer1.0.bn1.running_mean', 'layer1.0.bn2.running_mean'];
      expect(moved).toEqual(Object.keys(after).filter((name) => batchNorm === 'training' || !frozen.includes(name)));
      model.dispose();
    }
    // one of the two parameters is trained: not frozen
    const norm = new BatchNorm(1);
    norm.freeze('bias');
    norm.apply(images, true);
    expect(norm.buffers().get('num_batches_tracked')!.dataSync()[0]).toBe(1);
    norm.freeze('*');
    expectClose(norm.apply(images, true), norm.apply(images, false), 0);
    norm.dispose();
  });
});

onEveryEngine('loading', () => {
  it('allows one thing at a time', () => {
    const layer = new Linear(2, 1, { seed: 3 });
    const before = layer.weight.dataSync().slice();
    const other = new Map([
      ['weight', { shape: [1, 3], data: [1, 2, 3] }],
      ['bias', { shape: [1], data: [7] }],
    ]);
    expect(() => layer.loadStateDict(other)).toThrow(
      /weight: expected shape \[1,2\], got \[1,3\].*ignoreMismatched: true/,
    );
    expect(layer.bias!.dataSync()[0]).not.toBe(7);
    const report = layer.loadStateDict(other, { ignoreMismatched: true });
    expect(report.mismatched).toEqual([{ name: 'weight', expected: [1, 2], got: [1, 3] }]);
    expect(layer.bias!.dataSync()[0]).toBe(7);
    expectClose(layer.weight, before, 0);
    const more = new Map([...other, ['weight', { shape: [1, 2], data: [1, 2] }], ['extra', { shape: [1], data: [1] }]] as const); // biome-ignore format: one line
    expect(() => layer.loadStateDict(more)).toThrow(/unexpected in the checkpoint: extra/);
    expect(layer.loadStateDict(more, { allowUnexpected: true }).unexpected).toEqual(['extra']);
    layer.dispose();
  });
});

onEveryEngine('ProjectionHead', () => {
  it('is a linear map, or two with an activation between them', () => {
    const x = random(3).tensor([4, 3]);
    const linear = new ProjectionHead({ inputs: 3, outputs: 2, seed: 5 });
    const weight = linear.parameters().get('0.weight')!;
    expectClose(linear.apply(x), tf.add(tf.matMul(x as tf.Tensor2D, weight as never), linear.parameters().get('0.bias')!), 1e-6); // biome-ignore format: one line
    linear.dispose();

    const mlp = new ProjectionHead({ inputs: 3, outputs: 2, kind: 'mlp', hidden: 5, norm: 'batch', bias: false });
    expect([...mlp.parameters()].map(([name, { shape }]) => [name, shape])).toEqual([
      ['0.weight', [3, 5]],
      ['1.weight', [5]],
      ['1.bias', [5]],
      ['3.weight', [5, 2]],
    ]);
    const [first, second] = ['0.weight', '3.weight'].map(
      (name) => mlp.parameters().get(name) as unknown as tf.Tensor2D,
    );
    const hidden = tf.matMul(x as tf.Tensor2D, first!);
    // running statistics of 0 and 1
    expectClose(mlp.apply(x), tf.matMul(tf.relu(tf.div(hidden, Math.sqrt(1 + 1e-5))), second!), 1e-5);
    const centred = tf.sub(hidden, tf.mean(hidden, 0));
    const spread = tf.sqrt(tf.add(tf.mean(tf.square(centred), 0), 1e-5));
    expectClose(
      mlp.apply(x, { training: true }),
      tf.matMul(tf.relu(tf.div(centred, spread)) as tf.Tensor2D, second!),
      1e-5,
    );
    expectNoLeak(() => mlp.apply(x, { training: true }), [x]);
    mlp.dispose();
    expect(() => new ProjectionHead({ inputs: 3, outputs: 2, norm: 'layer' })).toThrow(
      /norm: expected 'none' for kind 'linear'/,
    );
  });
});
