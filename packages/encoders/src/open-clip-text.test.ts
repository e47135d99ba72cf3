import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expectClose, onEveryEngine } from '@medalign/testing';
import { type SafetensorsInput, writeSafetensors } from '@medalign/weights';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, expect, it } from 'vitest';
import { type Golden, golden, state, tensor } from '../goldens/read';
import { Bert, fromPretrained, Linear, ProjectionHead, type StateDict, StateDictError } from './index';

const root = mkdtempSync(join(tmpdir(), 'medalign-encoders-'));
afterAll(() => rmSync(root, { recursive: true }));

const { mlp, linear } = golden('open-clip-text');

/** A folder as open_clip publishes it. */
async function publish(entries: Record<string, Golden>, files: Record<string, unknown>): Promise<string> {
  const folder = mkdtempSync(join(root, 'checkpoint-'));
  const tensors = Object.entries(entries).map(([key, { shape, data }]): [string, SafetensorsInput] => [
    key,
    { shape, data: Float32Array.from(data) },
  ]);
  await writeSafetensors(join(folder, 'open_clip_model.safetensors'), new Map(tensors));
  for (const [name, value] of Object.entries(files)) writeFileSync(join(folder, name), JSON.stringify(value));
  return folder;
}

const inputs = ({ ids, mask }: { ids: number[][]; mask: number[][] }) => ({
  ids: tf.tensor2d(ids, undefined, 'int32'),
  attentionMask: tf.tensor2d(mask),
});
const firstOf = (states: tf.Tensor3D) => tf.squeeze(tf.slice(states, [0, 0, 0], [-1, 1, -1]), [1]);
const allowMissing = ['pooler.*'];

onEveryEngine('the BERT of an open_clip checkpoint', () => {
  it('gives the texts their vectors, with the maps behind it (the kind of BiomedCLIP)', async () => {
    const files = { 'open_clip_config.json': mlp.config, 'config.json': mlp.bert };
    const folder = await publish(mlp.state, files);
    const { model, report, source } = await fromPretrained(folder, { expect: 'bert', allowMissing });
    expect(source).toEqual(['config.json', 'open_clip_model.safetensors'].map((name) => join(folder, name)));
    const { hiddenStates } = model.apply(inputs(mlp));
    expectClose(hiddenStates.at(-1)!, mlp.last.data, 1e-4);

    // Of the rest nothing is lost in silence.
    const rest = Object.keys(mlp.state).filter((name) => !name.startsWith('text.transformer.'));
    expect(rest).toEqual(expect.arrayContaining(['logit_scale', 'visual.proj', 'text.proj.0.weight']));
    expect([...report.unused].sort()).toEqual(rest.sort());
    expect(report).toMatchObject({ missing: ['pooler.dense.weight', 'pooler.dense.bias'], unexpected: [] });

    const { shape } = mlp.state['text.proj.0.weight'] as Golden;
    const head = new ProjectionHead({
      inputs: 8, outputs: 4, kind: 'mlp', hidden: shape[0]!, activation: 'gelu', bias: false,
    }); // biome-ignore format: one line
    head.loadStateDict(state(mlp.state), { prefix: 'text.proj.' });
    expectClose(head.apply(firstOf(hiddenStates.at(-1)!)), mlp.text.data, 1e-4);
    head.dispose();
    model.dispose();
  });

  it('is read with its pooler, inside a wrapped model, by the configuration alone', async () => {
    const wrapped = new Map([...state(linear.state)].map(([name, entry]) => [`module.${name}`, entry]));
    const { model, report } = await fromPretrained({ weights: wrapped }, { config: linear.bert, expect: 'bert' });
    expect(report).toMatchObject({ missing: [], unexpected: [], mismatched: [] });
    expect(report.unused).toEqual(expect.arrayContaining(['module.logit_scale', 'module.text.proj.weight']));
    const { pooled } = model.apply(inputs(linear));
    const head = new Linear(8, 4, { bias: false });
    head.loadStateDict(state(linear.state), { prefix: 'text.proj.' });
    expectClose(head.apply(pooled), linear.text.data, 1e-4);
    head.dispose();
    model.dispose();
  });

  it('lies beside an image tower that is read as before', async () => {
    const folder = await publish(mlp.state, { 'open_clip_config.json': mlp.config });
    const { model, report } = await fromPretrained(folder, { expect: 'vit' });
    expect(report).toMatchObject({ missing: [], unexpected: [], mismatched: [] });
    expect(report.unused).toContain('text.transformer.embeddings.word_embeddings.weight');
    expectClose(model.apply(tensor(mlp.images)).projected!, mlp.image.data, 1e-4);
    model.dispose();
  });
});

it('takes its sizes from the arrays, where its width leaves no doubt of the heads', async () => {
  const sizes = { vocabSize: 5, hiddenSize: 768, layers: 2, heads: 12, intermediateSize: 7, maxPositions: 3 };
  const saved = new Bert({ ...sizes, seed: 3 });
  const weights = new Map([...saved.stateDict()].map(([name, entry]) => [`text.transformer.${name}`, entry]));
  const config = { embed_dim: 4, text_cfg: { hf_model_name: 'org/some-bert-base' }, vision_cfg: {} };
  const { model } = await fromPretrained({ weights }, { config, expect: 'bert' });
  const texts = { ids: tf.tensor2d([[1, 4, 2]], undefined, 'int32'), attentionMask: tf.ones([1, 3]) };
  expectClose(model.apply(texts).pooled, saved.apply(texts).pooled, 0);
  expect(model.maxPositions).toBe(3);
  model.dispose();

  // Two models in one file: the prefix says which.
  const twice = new Map([
    ...weights,
    ...[...saved.stateDict()].map(([name, entry]) => [`old.${name}`, entry] as const),
  ]);
  const loading = fromPretrained({ weights: twice }, { config, expect: 'bert' });
  await expect(loading).rejects.toThrow(StateDictError);
  const one = await fromPretrained({ weights: twice }, { config, expect: 'bert', prefix: 'old.' });
  expect(one.report.unexpected).toEqual([]);
  one.model.dispose();
  saved.dispose();
});

it('is refused where it is no BERT, or where a size would be a guess', async () => {
  const config = { model_cfg: { ...mlp.config.model_cfg } };
  const load = (weights: StateDict, text_cfg: object = config.model_cfg.text_cfg) =>
    fromPretrained({ weights }, { config: { model_cfg: { ...config.model_cfg, text_cfg } }, expect: 'bert' });
  const before = tf.memory().numTensors;
  const entries = state(mlp.state);
  await expect(load(entries)).rejects.toThrow(
    /config: hf_model_name: how many attention heads 'tiny-bert' has is in no file: .*\(1024\), got 8\. Fix: its own config\.json/,
  );
  const types = 'text.transformer.embeddings.token_type_embeddings.weight';
  await expect(load(new Map([...entries, [types, { shape: [1, 8], data: new Array(8).fill(0) }]]))).rejects.toThrow(
    /'tiny-bert' is not a BERT: it has 1 token types \(RoBERTa has 1\), expected 2/,
  );
  await expect(load(new Map([['text.transformer.shared.weight', { shape: [1], data: [0] }]]))).rejects.toThrow(
    /'tiny-bert' is not a BERT: the checkpoint has no array .*word_embeddings/,
  );
  await expect(load(entries, { context_length: 77, width: 512 })).rejects.toThrow(
    /text_cfg: expected hf_model_name.*CLIP's own transformer.*expect: 'vit'/,
  );
  // The configuration's own pooler is missing in the file: initial values are a decision.
  const files = { 'open_clip_config.json': mlp.config, 'config.json': mlp.bert };
  const folder = await publish(mlp.state, files);
  await expect(fromPretrained(folder, { expect: 'bert' })).rejects.toThrow(
    /missing in the checkpoint: pooler\.dense\.weight .*allowMissing/,
  );
  expect(tf.memory().numTensors).toBe(before);
});
