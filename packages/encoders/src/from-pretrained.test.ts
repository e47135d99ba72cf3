import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expectClose, onEveryEngine } from '@medalign/testing';
import { type SafetensorsInput, writeSafetensors } from '@medalign/weights';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, expect, it } from 'vitest';
import { type Golden, golden, state, tensor } from '../goldens/read';
import { huggingFaceRecipe } from './huggingface-config';
import { Bert, fromPretrained, ResNet } from './index';

const root = mkdtempSync(join(tmpdir(), 'medalign-encoders-'));
afterAll(() => rmSync(root, { recursive: true }));

/** A folder as a library publishes it. */
async function publish(
  entries: Record<string, Golden>,
  config: unknown,
  { weights = 'model.safetensors', name = 'config.json' } = {},
): Promise<string> {
  const folder = mkdtempSync(join(root, 'checkpoint-'));
  const tensors = Object.entries(entries).map(([key, { shape, data }]): [string, SafetensorsInput] => [
    key,
    { shape, data: Float32Array.from(data) },
  ]);
  await writeSafetensors(join(folder, weights), new Map(tensors));
  if (config !== undefined)
    writeFileSync(join(folder, name), typeof config === 'string' ? config : JSON.stringify(config));
  return folder;
}

onEveryEngine('fromPretrained', () => {
  it.each(['vit-huggingface', 'vit-dinov2', 'vit-clip'])('%s: a folder of Hugging Face', async (name) => {
    const { state: entries, config, small, other } = golden(name);
    const folder = await publish(entries, config);
    const { model, report, source, ...rest } = await fromPretrained(folder, { expect: 'vit' });
    expect(rest.config).toEqual(config);
    expect(source).toEqual(['config.json', 'model.safetensors'].map((file) => join(folder, file)));
    expect(report).toMatchObject({ missing: [], unexpected: [], mismatched: [], resized: [] });
    for (const { images, tokens, projected } of [small, other]) {
      const result = model.apply(tensor(images));
      expectClose(result.tokens, tokens.data, 1e-4);
      if (projected) expectClose(result.projected!, projected.data, 1e-4);
    }
    model.dispose();
  });

  it.each(['resnet-huggingface-basic', 'resnet-huggingface-bottleneck'])('%s: its stages and strides', async (name) => {
    const { state: entries, config, images, pooled } = golden(name);
    const { model, report } = await fromPretrained(await publish(entries, config), { expect: 'resnet' });
    expect(report).toMatchObject({ missing: [], unexpected: [], unused: [] });
    expectClose(model.apply(tensor(images)).pooled, pooled.data, 1e-4);
    model.dispose();
  });

  it('BERT: with heads and a prefix, and at another rate of dropout', async () => {
    const { state: entries, config, ids, mask, types, pooled } = golden('bert');
    const inside = Object.fromEntries(Object.entries(entries).map(([key, entry]) => [`bert.${key}`, entry as Golden]));
    const folder = await publish({ ...inside, 'cls.predictions.bias': { shape: [1], data: [0] } }, config);
    const { model, report } = await fromPretrained(folder, { expect: 'bert', dropout: 0.5 });
    expect(report).toMatchObject({ missing: [], unexpected: [], unused: ['cls.predictions.bias'] });
    const inputs = {
      ids: tf.tensor2d(ids, undefined, 'int32'),
      attentionMask: tf.tensor2d(mask),
      tokenTypes: tf.tensor2d(types, undefined, 'int32'),
    };
    expectClose(model.apply(inputs).pooled, pooled.data, 1e-4);
    expect(() => model.apply(inputs, { training: true })).toThrow(/seed/);
    model.dispose();
  });

  it('open_clip: from the path of its weights', async () => {
    const { state: entries, config, small } = golden('vit-open-clip');
    const folder = await publish(entries, config, {
      weights: 'open_clip_model.safetensors',
      name: 'open_clip_config.json',
    });
    const { model, report } = await fromPretrained(join(folder, 'open_clip_model.safetensors'), { expect: 'vit' });
    expect(report).toMatchObject({ missing: [], unexpected: [], mismatched: [] });
    expect(report.unused).toEqual(
      expect.arrayContaining(['logit_scale', 'positional_embedding', 'token_embedding.weight']),
    );
    expectClose(model.apply(tensor(small.images)).projected!, small.projected.data, 1e-4);
    model.dispose();
  });

  it('timm: its architecture, arguments and image size', async () => {
    const { state: entries, other } = golden('vit-timm');
    const model_args = { img_size: 12, patch_size: 4, embed_dim: 8, depth: 2, num_heads: 2, mlp_ratio: 2 };
    const folder = await publish(entries, { architecture: 'vit_small_patch16_224.augreg', num_classes: 0, model_args });
    const { model, report } = await fromPretrained(folder, { expect: 'vit', imageSize: [20, 8] });
    expect(report.resized).toEqual(['pos_embed: 3 × 3 → 5 × 2']);
    expectClose(model.apply(tensor(other.images)).tokens, other.tokens.data, 1e-4);
    model.dispose();
  });

  it('asks before anything keeps its initial values, which are then those of the seed', async () => {
    const { state: entries, config } = golden('bert');
    const { 'pooler.dense.weight': _, ...rest } = entries;
    const wrong = { ...rest, 'pooler.dense.bias': { shape: [3], data: [1, 2, 3] } };
    const folder = await publish(wrong, config);
    const before = tf.memory().numTensors;
    await expect(fromPretrained(folder)).rejects.toThrow(
      /missing in the checkpoint: pooler\.dense\.weight; of other shapes than the model: pooler\.dense\.bias: expected shape \[8\], got \[3\].*allowMissing.*ignoreMismatched: true/,
    );
    await expect(fromPretrained(folder, { allowMissing: ['pooler.*'] })).rejects.toThrow(/pooler\.dense\.bias/);
    expect(tf.memory().numTensors).toBe(before);
    const options = { allowMissing: ['pooler.*'], ignoreMismatched: true, expect: 'bert', seed: 4 } as const;
    const { model, report } = await fromPretrained(folder, options);
    expect(report.missing).toEqual(['pooler.dense.weight']);
    expect(report.mismatched).toEqual([{ name: 'pooler.dense.bias', expected: [8], got: [3] }]);
    const drawn = new Bert({ vocabSize: 23, hiddenSize: 8, layers: 2, heads: 2, intermediateSize: 16, maxPositions: 12, seed: 4 }); // biome-ignore format: one line
    const name = 'pooler.dense.weight';
    expectClose(model.parameters().get(name)!, drawn.parameters().get(name)!, 0);
    model.dispose();
    drawn.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('refuses what it does not know, by name, with what it knows', async () => {
    const refuse = async (config: unknown, options = {}) => fromPretrained(await publish({}, config), options);
    const wanted =
      /config\.json: expected an architecture that is known, got 'deberta-v2'\. Known: .*bert.*resnet18.*vit_\{tiny,small,base,large\}/;
    await expect(refuse({ model_type: 'deberta-v2' })).rejects.toThrow(wanted);
    await expect(refuse({ architecture: 'resnet50d' })).rejects.toThrow(/got 'resnet50d'/);
    await expect(refuse({ architecture: 'vit_base_patch16_siglip_224' })).rejects.toThrow(
      /got 'vit_base_patch16_siglip_224'/,
    );
    await expect(refuse({ architectures: ['GPT2Model'] })).rejects.toThrow(/got 'GPT2Model'/);
    await expect(refuse({ model_type: 'bert', position_embedding_type: 'relative_key' })).rejects.toThrow(
      /position_embedding_type: only "absolute" is implemented, the checkpoint has "relative_key"/,
    );
    await expect(refuse({ model_type: 'bert', hidden_act: 'silu' })).rejects.toThrow(
      /hidden_act: expected one of 'gelu'/,
    );
    await expect(refuse({ model_type: 'bert', vocab_size: 'many' })).rejects.toThrow(/vocab_size: expected a number/);
    await expect(refuse({ model_type: 'dinov2', use_swiglu_ffn: true })).rejects.toThrow(/use_swiglu_ffn: only false/);
    const args = { architecture: 'vit_base_patch16_224', model_args: { reg_tokens: 4 } };
    await expect(refuse(args)).rejects.toThrow(/model_args: 'reg_tokens' is not implemented/);
    const clip = { model_cfg: { embed_dim: 4, vision_cfg: { layers: [3, 4, 6, 3] } } };
    await expect(refuse(clip)).rejects.toThrow(/attention pool/);
    const pooled = { model_cfg: { embed_dim: 4, vision_cfg: { timm_model_name: 'vit_base_patch16_224' } } };
    await expect(refuse(pooled)).rejects.toThrow(/timm_pool: only the class token/);
    await expect(refuse('{')).rejects.toThrow(/config\.json: .*JSON/);
    await expect(refuse('[]')).rejects.toThrow(/config\.json: expected an object/);
    await expect(refuse(undefined)).rejects.toThrow(/expected a config\.json or an open_clip_config\.json, found none/);
    await expect(refuse({ model_type: 'bert' }, { expect: 'vit' })).rejects.toThrow(
      /the checkpoint is a bert, expected a vit/,
    );
    await expect(refuse({ model_type: 'bert' }, { imageSize: 8 })).rejects.toThrow(
      /imageSize: expected nothing for a bert/,
    );
    await expect(fromPretrained(join(root, 'nowhere'))).rejects.toThrow(/ENOENT.*nowhere/);
  });
});

onEveryEngine('fromPretrained without a folder', () => {
  it('takes a configuration and arrays', async () => {
    const reference = golden('resnet-bottleneck');
    const config = { model_type: 'resnet', depths: [1, 1], hidden_sizes: [8, 12], embedding_size: 2 };
    const { model, source } = await fromPretrained({ weights: state(reference.state) }, { config, expect: 'resnet' });
    expect(source).toEqual([]);
    expectClose(model.apply(tensor(reference.images)).pooled, reference.pooled.data, 1e-4);
    model.dispose();
  });

  it("reads torchvision's files, which have no configuration", async () => {
    const small = new ResNet({ block: 'basic', layers: [2, 2, 2, 2], widths: [64, 1, 1, 1] });
    const weights = new Map(small.stateDict());
    small.dispose();
    // the names are right, the widths are not: the architecture was understood
    await expect(fromPretrained({ weights }, { config: { architecture: 'resnet18' } })).rejects.toThrow(
      /layer2\.0\.conv1\.weight: expected shape \[128,64,3,3\], got \[1,64,3,3\]/,
    );
  });
});

it('what a configuration of Hugging Face leaves out is what Hugging Face takes', () => {
  for (const [model_type, defaults] of Object.entries(golden('configs') as Record<string, object>)) {
    const recipe = huggingFaceRecipe({ model_type });
    expect(recipe, model_type).toBeDefined();
    expect(huggingFaceRecipe({ model_type, ...defaults }), model_type).toEqual(recipe);
  }
});

onEveryEngine('activations of a BERT', () => {
  it('are what its configuration names', async () => {
    const { state: entries, config, ids, mask, types, activations } = golden('bert');
    for (const [hidden_act, pooled] of Object.entries(activations as Record<string, Golden>)) {
      const { model } = await fromPretrained(
        { weights: state(entries) },
        { config: { ...config, hidden_act }, expect: 'bert' },
      );
      const inputs = {
        ids: tf.tensor2d(ids, undefined, 'int32'),
        attentionMask: tf.tensor2d(mask),
        tokenTypes: tf.tensor2d(types, undefined, 'int32'),
      };
      expectClose(model.apply(inputs).pooled, pooled.data, 1e-6);
      model.dispose();
    }
  });
});

it("sizes of timm's and open_clip's names", async () => {
  const { timmRecipe } = await import('./timm-config');
  const { openClipRecipe } = await import('./open-clip-config');
  expect(timmRecipe({ architecture: 'vit_large_patch14_clip_quickgelu_336.openai' })?.options).toMatchObject({
    imageSize: 336, patchSize: 14, width: 1024, layers: 24, heads: 16, preNorm: true, activation: 'quick-gelu', layerNormEpsilon: 1e-5,
  }); // biome-ignore format: one line
  const dinov2 = timmRecipe({
    architecture: 'vit_small_patch14_dinov2',
    pretrained_cfg: { input_size: [3, 224, 224] },
  });
  expect(dinov2?.options).toMatchObject({ imageSize: 224, width: 384, layerScale: 1e-5, layerNormEpsilon: 1e-6 });
  expect(timmRecipe({ architecture: 'resnet101', input_size: [1, 224, 224] })?.options).toEqual({
    block: 'bottleneck', layers: [3, 4, 23, 3], inChannels: 1,
  }); // biome-ignore format: one line
  const vision_cfg = { timm_model_name: 'vit_base_patch16_224', timm_pool: '', timm_proj: 'linear', image_size: 224 };
  const tower = openClipRecipe({ model_cfg: { embed_dim: 512, vision_cfg, text_cfg: {} } });
  expect(tower?.options).toMatchObject({ width: 768, projection: 512, activation: 'gelu', preNorm: false });
});
