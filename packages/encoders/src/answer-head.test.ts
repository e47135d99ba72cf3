import { checkGradient, expectClose, expectNoLeak, maxDifference, onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { expectGradients, type Golden, golden, state, tensor, weigh } from '../goldens/read';
import { AnswerHead, type AnswerInputs } from './index';

type Case = {
  options: ConstructorParameters<typeof AnswerHead>[0];
  state: Record<string, Golden>;
  inputs: Record<string, Golden>;
  mask?: Golden;
  logits: Golden;
  gradients: Record<string, Golden>;
  inputGradients: Record<string, Golden>;
};

onEveryEngine('AnswerHead', () => {
  const cases = golden('answer-head') as Record<'regions' | 'plain', Case>;
  const build = ({ options, state: entries }: Case) => {
    const head = new AnswerHead(options);
    expect(head.loadStateDict(state(entries))).toMatchObject({ missing: [], unexpected: [] });
    return head;
  };
  const inputsOf = ({ inputs, mask }: Case) =>
    ({
      ...Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, tensor(value)])),
      ...(mask && { regionMask: tensor(mask) }),
    }) as AnswerInputs;

  it.each(['regions', 'plain'] as const)('has the logits and the gradients of PyTorch: %s', (name) => {
    const reference = cases[name];
    const [head, reader] = [build(reference), build(reference)];
    const inputs = inputsOf(reference);
    expectClose(head.apply(inputs), reference.logits.data, 1e-5);
    expectGradients(head, reader, reference.gradients, () => weigh(head.apply(inputs)));
    const names = Object.keys(reference.inputs);
    const gradients = tf.grads((...given: tf.Tensor[]) =>
      weigh(head.apply({ ...inputs, ...Object.fromEntries(names.map((key, i) => [key, given[i]!])) })),
    )(names.map((key) => inputs[key as 'image']));
    gradients.forEach((gradient, i) => {
      expectClose(gradient, reference.inputGradients[names[i]!]!.data, 1e-4);
    });
    head.dispose();
    reader.dispose();
  });

  it('has the gradient that differences of its values have', () => {
    const head = build(cases.regions);
    const { image, question, regions, regionMask } = inputsOf(cases.regions);
    const f = (...[v, q, u]: tf.Tensor[]) => weigh(head.apply({ image: v!, question: q!, regions: u!, regionMask: regionMask! })); // biome-ignore format: one line
    checkGradient(f, [image, question, regions!]);
    head.dispose();
  });

  it('reads valid regions alone, in any order', () => {
    const head = build(cases.regions);
    const { image, question } = inputsOf(cases.regions);
    const rows = tf.randomNormal([3, 4, 5], 0, 1, 'float32', 3);
    const mask = [1, 0, 1, 0];
    const regionMask = tf.tensor2d([mask, mask, mask]);
    const on = tf.cast(tf.tile(tf.expandDims(regionMask, 2), [1, 1, 5]), 'bool');
    const padded = tf.where(on, rows, tf.fill([3, 4, 5], Number.NaN));
    const short = tf.gather(rows, tf.tensor1d([2, 0], 'int32'), 1);
    const expected = head.apply({ image, question, regions: short });
    expect(maxDifference(head.apply({ image, question, regions: padded, regionMask }), expected.dataSync())).toBeLessThan(1e-5); // biome-ignore format: one line
    const loss = () => weigh(head.apply({ image, question, regions: padded, regionMask }));
    const { grads } = tf.variableGrads(loss, [...head.parameters().values()]);
    for (const gradient of Object.values(grads)) expect(gradient.dataSync().every(Number.isFinite)).toBe(true);
    head.dispose();
  });

  it('does not mind how long the vectors are', () => {
    const head = build(cases.plain);
    const { image, question } = inputsOf(cases.plain);
    const long = head.apply({ image: tf.mul(image, 50), question: tf.mul(question, 200) });
    expect(maxDifference(long, cases.plain.logits.data)).toBeLessThan(1e-2);
    head.dispose();
  });

  it('drops the same values for the same seed, and none outside of training', () => {
    const head = build({ ...cases.regions, options: { ...cases.regions.options, dropout: 0.5 } });
    const inputs = inputsOf(cases.regions);
    const run = (seed: number) => [...head.apply(inputs, { training: true, seed }).dataSync()];
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
    expect(run(1)).not.toEqual([...head.apply(inputs).dataSync()]);
    expect(() => head.apply(inputs, { training: true })).toThrow(/seed: expected/);
    head.dispose();
  });

  it('leaves no tensor behind, and names what does not fit', () => {
    const [head, plain] = [build(cases.regions), build(cases.plain)];
    const inputs = inputsOf(cases.regions);
    expectNoLeak(() => head.apply(inputs), Object.values(inputs));
    expect(() => head.apply({ ...inputs, image: tf.ones([3, 7]) })).toThrow(/image: .*\[n, 4\].*\[3, 7\]/s);
    expect(() => head.apply({ image: inputs.image, question: inputs.question })).toThrow(
      /regions: expected \[n, r, 5\]/,
    );
    expect(() => plain.apply(inputs)).toThrow(/regions: this head reads none/);
    expect(() => new AnswerHead({ image: 4, question: 4, answers: 0 })).toThrow(/answers/);
    expect(() => new AnswerHead({ image: 4, question: 4, answers: 2, dropout: 1 })).toThrow(/dropout/);
    head.dispose();
    plain.dispose();
  });
});
