import { readFileSync } from 'node:fs';
import { maxDifference } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import type { Module, StateDict } from '../src/index';

/** An array as the generators write it. */
export type Golden = { shape: number[]; data: number[] };

export const golden = (name: string) => JSON.parse(readFileSync(new URL(`${name}.json`, import.meta.url), 'utf8'));
export const tensor = ({ data, shape }: Golden) => tf.tensor(data, shape);
export const state = (entries: Record<string, Golden>): StateDict => new Map(Object.entries(entries));

/** The linear functional of the reference: every output matters differently. */
export const weigh = (x: tf.Tensor): tf.Scalar =>
  tf.sum(tf.mul(tf.reshape(x, [-1]), tf.tensor1d(Float32Array.from({ length: x.size }, (_, i) => Math.sin(i + 1)))));

/**
 * Fails unless the gradients of a loss are the reference's, relative to the largest of each array. They come in a
 * checkpoint's names and layout: a second model reads them as if they were its weights.
 */
export function expectGradients(
  model: Module,
  reader: Module,
  expected: Record<string, Golden>,
  loss: () => tf.Scalar,
  { only = /./, tolerance = 1e-3 }: { only?: RegExp; tolerance?: number } = {},
): void {
  const { missing } = reader.loadStateDict(state(expected), { strict: false });
  const wanted = reader.parameters();
  const parameters = [...model.parameters()].filter(([name]) => only.test(name));
  expect(missing.filter((name) => wanted.has(name) && only.test(name))).toEqual([]);
  expect(parameters.length).toBeGreaterThan(0);
  const { grads } = tf.variableGrads(loss, [...model.parameters().values()]);
  for (const [name, variable] of parameters) {
    const values = wanted.get(name)!.dataSync();
    const scale = Math.max(1e-3, ...values.map(Math.abs));
    const gradient = tf.div(grads[variable.name]!, scale);
    expect(maxDifference(gradient, values.map((v) => v / scale)), name).toBeLessThan(tolerance); // biome-ignore format: one line
  }
}
