import { expectClose, expectNoLeak, maxDifference, onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { expectGradients, golden, state, weigh } from '../goldens/read';
import { Bert } from './index';

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
    expect(model.loadStateDict(state(reference.state))).toMatchObject({ missing: [], unexpected: [] });
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
    expectGradients(model, build(), reference.gradients, () => {
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

onEveryEngine('BERT checkpoints', () => {
  const reference = golden('bert');
  const sizes = {
    vocabSize: 23,
    hiddenSize: 8,
    layers: 2,
    heads: 2,
    intermediateSize: 16,
    maxPositions: 12,
    dropout: 0,
  };
  const read = (entries: ReturnType<typeof state>) => {
    const model = new Bert(sizes);
    const report = model.loadStateDict(entries);
    const ids = tf.tensor2d(reference.ids, undefined, 'int32');
    const tokenTypes = tf.tensor2d(reference.types, undefined, 'int32');
    const { pooled } = model.apply({ ids, attentionMask: tf.tensor2d(reference.mask), tokenTypes });
    expectClose(pooled, reference.pooled.data, 1e-4);
    model.dispose();
    return report;
  };
  const anything = { shape: [1], data: [0] };

  it('are read under any prefix, heads and constants apart', () => {
    const inside = [...state(reference.state)].map(([name, entry]) => [`module.bert.${name}`, entry] as const);
    const heads = ['module.cls.predictions.bias', 'module.cls.seq_relationship.weight', 'module.classifier.bias'];
    const constant = 'module.bert.embeddings.position_ids';
    const other = 'module.image.conv1.weight';
    const all = new Map([...inside, ...[...heads, constant, other].map((name) => [name, anything] as const)]);
    expect(() => read(all)).toThrow(/unexpected in the checkpoint: module\.image\.conv1\.weight/);
    all.delete(other);
    expect(read(all)).toMatchObject({ missing: [], unexpected: [], unused: [...heads, constant] });
  });

  it('of TensorFlow are read with their gamma and beta', () => {
    const renamed = [...state(reference.state)].map(([name, entry]) => {
      const old = name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta');
      return [`bert.${old}`, entry] as const;
    });
    expect(renamed.some(([name]) => name.endsWith('gamma'))).toBe(true);
    expect(read(new Map(renamed))).toMatchObject({ missing: [], unexpected: [] });
  });

  it('without a pooler ask for a decision', () => {
    const entries = new Map([...state(reference.state)].filter(([name]) => !name.startsWith('pooler')));
    const model = new Bert(sizes);
    expect(() => model.loadStateDict(entries)).toThrow(
      /missing in the checkpoint: pooler\.dense\.weight, pooler\.dense\.bias/,
    );
    const report = model.loadStateDict(entries, { allowMissing: ['pooler.*'] });
    expect(report.missing).toEqual(['pooler.dense.weight', 'pooler.dense.bias']);
    model.dispose();
  });

  it('with two BERTs ask which', () => {
    const twice = ['a', 'b'].flatMap((tower) => [...state(reference.state)].map(([name, entry]) => [`${tower}.${name}`, entry] as const)); // biome-ignore format: one line
    const model = new Bert(sizes);
    expect(() => model.loadStateDict(new Map(twice))).toThrow(
      /2 parts that could be loaded, under 'a\.', 'b\.'\. Fix: the prefix/,
    );
    expect(model.loadStateDict(new Map(twice), { prefix: 'b.' })).toMatchObject({ missing: [], unexpected: [] });
    model.dispose();
  });

  it('name the activation they want', () => {
    const run = (activation: 'gelu' | 'gelu-tanh' | 'relu') => {
      const model = new Bert({ ...sizes, activation });
      model.loadStateDict(state(reference.state));
      const ids = tf.tensor2d(reference.ids, undefined, 'int32');
      const { pooled } = model.apply({ ids, attentionMask: tf.tensor2d(reference.mask) });
      const values = pooled.dataSync();
      model.dispose();
      return values;
    };
    expect(maxDifference(run('gelu'), run('gelu-tanh'))).toBeGreaterThan(1e-6);
    expect(maxDifference(run('gelu'), run('gelu-tanh'))).toBeLessThan(1e-2);
    expect(maxDifference(run('gelu'), run('relu'))).toBeGreaterThan(1e-2);
    expect(() => run('swish' as never)).toThrow(
      /activation: expected one of 'gelu', 'gelu-tanh', 'quick-gelu', 'relu'/,
    );
  });
});

it('names are those of bert-base', () => {
  const wanted = Object.keys(golden('names').bertBase).filter((name) => !/(position|token_type)_ids$/.test(name));
  const model = new Bert({ vocabSize: 5, hiddenSize: 12, maxPositions: 4 });
  expect([...model.stateDict().keys()].sort()).toEqual(wanted.sort());
  model.dispose();
});
