import { readFileSync } from 'node:fs';
import { expectClose, expectNoLeak, maxDifference, onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { Bert, Linear, type Module, ResNet, resnet18, type StateDict, wordFeatures } from './index';
import { fromEcosystem } from './state';

type Golden = { shape: number[]; data: number[] };
const golden = (name: string) => JSON.parse(readFileSync(new URL(`../goldens/${name}.json`, import.meta.url), 'utf8'));
const tensor = ({ data, shape }: Golden) => tf.tensor(data, shape);
const state = (entries: Record<string, Golden>): StateDict => new Map(Object.entries(entries));

/** The linear functional of the reference: every output matters differently. */
const weigh = (x: tf.Tensor): tf.Scalar =>
  tf.sum(tf.mul(tf.reshape(x, [-1]), tf.tensor1d(Float32Array.from({ length: x.size }, (_, i) => Math.sin(i + 1)))));

function checkGradients(
  model: Module,
  expected: Record<string, Golden>,
  loss: () => tf.Scalar,
  tolerance = 1e-3,
): void {
  const parameters = model.parameters();
  expect([...parameters.keys()].sort()).toEqual(Object.keys(expected).sort());
  const { grads } = tf.variableGrads(loss, [...parameters.values()]);
  for (const [name, variable] of parameters) {
    const wanted = expected[name]!;
    const layout =
      wanted.shape.length === 4 ? 'convolution' : /(query|key|value|dense)\.weight$/.test(name) ? 'linear' : 'same';
    const { data } = fromEcosystem(wanted, layout);
    const scale = Math.max(1e-3, ...Array.from(data, (v) => Math.abs(Number(v))));
    const gradient = tf.div(grads[variable.name]!, scale);
    expect(
      maxDifference(
        gradient,
        Array.from(data, (v) => Number(v) / scale),
      ),
      name,
    ).toBeLessThan(tolerance);
  }
}

onEveryEngine('ResNet', () => {
  for (const name of ['resnet-basic', 'resnet-bottleneck']) {
    const reference = golden(name);
    const { block, layers, widths, stem, channels } = reference;
    const build = () => {
      const model = new ResNet({ block, layers, widths, stem, inChannels: channels });
      expect(model.loadStateDict(state(reference.state))).toEqual({ missing: [], unexpected: [] });
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
      checkGradients(model, reference.training.gradients, () => {
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

onEveryEngine('Bert', () => {
  const reference = golden('bert');
  const config = {
    vocabSize: 23,
    hiddenSize: 8,
    layers: 2,
    heads: 2,
    intermediateSize: 16,
    maxPositions: 12,
    dropout: 0,
  };
  const build = () => {
    const model = new Bert(config);
    expect(model.loadStateDict(state(reference.state))).toEqual({ missing: [], unexpected: [] });
    return model;
  };
  const inputs = () => ({
    ids: tf.tensor2d(reference.ids, undefined, 'int32'),
    attentionMask: tf.tensor2d(reference.mask),
    tokenTypes: tf.tensor2d(reference.types, undefined, 'int32'),
  });

  it('equals Hugging Face at every layer', () => {
    const model = build();
    const { hiddenStates, pooled } = model.apply(inputs());
    expect(hiddenStates.length).toBe(3);
    hiddenStates.forEach((states, layer) => {
      expectClose(states, reference.hiddenStates[layer].data, 1e-4);
    });
    expectClose(pooled, reference.pooled.data, 1e-4);
    model.dispose();
  });

  it('has the gradients of PyTorch', () => {
    const model = build();
    const { attentionMask } = inputs();
    checkGradients(model, reference.gradients, () => {
      const { hiddenStates, pooled } = model.apply(inputs());
      return tf.add(weigh(pooled), weigh(tf.mul(hiddenStates[2]!, tf.expandDims(attentionMask, 2)))) as tf.Scalar;
    });
    model.dispose();
  });

  it('does not see masked tokens', () => {
    const model = build();
    const { attentionMask } = inputs();
    const run = (padding: number) => {
      const ids = tf.tensor2d(
        [
          [2, 5, 7, 5, 22, 3],
          [2, 9, 3, padding, padding, padding],
        ],
        undefined,
        'int32',
      );
      return model.apply({ ids, attentionMask }).pooled;
    };
    expectClose(run(1), run(7), 0);
    model.dispose();
  });

  it('drops values reproducibly when training, and asks for a seed', () => {
    const model = new Bert({ ...config, dropout: 0.5 });
    const run = (seed: number) => model.apply(inputs(), { training: true, seed }).pooled;
    expectClose(run(1), run(1), 0);
    expect(maxDifference(run(1), run(2))).toBeGreaterThan(0);
    expect(() => model.apply(inputs(), { training: true })).toThrow(/seed: expected a whole number/);
    expectClose(model.apply(inputs()).pooled, model.apply(inputs()).pooled, 0);
    model.dispose();
  });

  it('leaks nothing', () => {
    const model = new Bert({ ...config, dropout: 0.1 });
    const given = inputs();
    const all = Object.values(given);
    expectNoLeak(() => model.apply(given, { training: true, seed: 1 }), all);
    const loss = () => tf.sum(model.apply(given, { training: true, seed: 1 }).pooled) as tf.Scalar;
    expectNoLeak(() => tf.variableGrads(loss, [...model.parameters().values()]), all);
    model.dispose();
  });

  it('names what does not fit', () => {
    const model = new Bert(config);
    const ids = tf.zeros([1, 13], 'int32');
    expect(() => model.apply({ ids, attentionMask: tf.ones([1, 12]) })).toThrow(/attentionMask/);
    expect(() => model.apply({ ids, attentionMask: tf.ones([1, 13]) })).toThrow(/at most 12 pieces/);
    expect(() => new Bert({ ...config, heads: 3 })).toThrow(/heads: expected a divisor of hiddenSize 8, got 3/);
    model.dispose();
  });
});

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
    expect(layer.loadStateDict(wrapped, { strict: false, prefix: 'module.' })).toEqual({
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

onEveryEngine('wordFeatures', () => {
  it('adds the last layers, then the pieces of each word', () => {
    const states = [1, 10, 100].map((scale) => tf.tensor3d([scale, 2 * scale, 3 * scale, 4 * scale], [1, 4, 1]));
    const wordIndex = tf.tensor2d([[-1, 0, 0, 1]], [1, 4], 'int32');
    const run = (options: object) => Array.from(wordFeatures(states, wordIndex, { words: 3, ...options }).dataSync());
    expect(run({})).toEqual([555, 444, 0]);
    expect(run({ layers: 2 })).toEqual([550, 440, 0]);
    expect(run({ layers: 2, reduce: 'mean' })).toEqual([137.5, 220, 0]);
  });
});

it('parameter names and shapes are those of resnet50 and bert-base', () => {
  const names = golden('names') as Record<string, Record<string, number[]>>;
  const shapes = (model: Module) => {
    const all = Object.fromEntries([...model.parameters(), ...model.buffers()].map(([name, v]) => [name, v.shape]));
    model.dispose();
    return all;
  };
  // Widths of one hundredth: the names are the point here, the real sizes take seconds to draw.
  const tiny = shapes(new ResNet({ block: 'bottleneck', layers: [3, 4, 6, 3], widths: [1, 2, 3, 4] }));
  expect(Object.keys(tiny).sort()).toEqual(
    Object.keys(names.resnet50!)
      .filter((name) => !name.startsWith('fc.'))
      .sort(),
  );
  const bert = shapes(new Bert({ vocabSize: 5, hiddenSize: 12, maxPositions: 4 }));
  const wanted = Object.keys(names.bertBase!).filter(
    (name) => !name.endsWith('position_ids') && !name.endsWith('token_type_ids'),
  );
  expect(Object.keys(bert).sort()).toEqual(wanted.sort());
  const real = resnet18();
  const count = [...real.parameters().values()].reduce((sum, { size }) => sum + size, 0);
  expect(count).toBe(11_176_512);
  real.dispose();
});
