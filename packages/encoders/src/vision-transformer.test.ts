import { expectClose, expectNoLeak, maxDifference, onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectGradients, type Golden, golden, state, tensor, weigh } from '../goldens/read';
import { VisionTransformer, type VisionTransformerOptions, vitSmall } from './index';
import { withoutInitialValues } from './initialise';
import { bicubicMatrix, resampleGrid } from './position-embedding';

const tiny = { imageSize: 12, patchSize: 4, width: 8, layers: 2, heads: 2, intermediateSize: 16 };
const clip = { preNorm: true, activation: 'quick-gelu', layerNormEpsilon: 1e-5, projection: 5 } as const;
const models: Record<string, Partial<VisionTransformerOptions>> = {
  'vit-timm': {},
  'vit-timm-clip': { preNorm: true, activation: 'quick-gelu', qkvBias: false, layerScale: 1 },
  'vit-huggingface': { layerNormEpsilon: 1e-12, interpolation: 'huggingface' },
  'vit-dinov2': { layerScale: 1, interpolation: 'huggingface' },
  'vit-clip': { ...clip, interpolation: 'huggingface' },
  'vit-open-clip': clip,
};
const kept = (name: string) =>
  /^(classifier|text_|logit_|transformer|token_|ln_final|positional_|embeddings\.mask)/.test(name);

onEveryEngine('VisionTransformer', () => {
  describe.each(Object.keys(models))('%s', (name) => {
    const reference = golden(name);
    const build = () => new VisionTransformer({ ...tiny, ...models[name] });
    const load = (entries: Record<string, Golden> = reference.state) => {
      const model = build();
      const report = model.loadStateDict(state(entries));
      expect(report).toMatchObject({ missing: [], unexpected: [], mismatched: [], resized: [] });
      expect(report.unused.sort()).toEqual(Object.keys(entries).filter(kept).sort());
      return model;
    };

    it.each(['small', 'other'].filter((size) => reference[size]))('equals the library on %s images', (size) => {
      const model = load();
      const { images, tokens, projected, gradients } = reference[size];
      const result = model.apply(tensor(images));
      expect(result.tokens.shape).toEqual(tokens.shape);
      expectClose(result.tokens, tokens.data, 1e-4);
      expectClose(result.classToken, tf.slice(tensor(tokens), [0, 0, 0], [2, 1, 8]).dataSync(), 1e-4);
      expectClose(result.patchTokens, tf.slice(tensor(tokens), [0, 1, 0], [2, -1, 8]).dataSync(), 1e-4);
      expect(result.grid[0] * result.grid[1]).toBe(tokens.shape[1] - 1);
      if (projected) expectClose(result.projected!, projected.data, 1e-4);
      const loss = () => {
        const again = model.apply(tensor(images));
        return tf.add(weigh(again.tokens), again.projected ? weigh(again.projected) : 0) as tf.Scalar;
      };
      const given = size === 'small' ? gradients : { ...reference.state, ...gradients };
      expectGradients(model, build(), given, loss, { only: size === 'small' ? /./ : /^pos_embed$/ });
      model.dispose();
    });

    if (reference.inMemory)
      it('reads the names that transformers 5 has in memory too', () => {
        const inMemory = Object.entries(reference.inMemory as Record<string, string>);
        const renamed = Object.fromEntries(inMemory.map(([own, saved]) => [own, reference.state[saved]]));
        const [model, other] = [load(), load(renamed)];
        const images = tensor(reference.small.images);
        expectClose(model.apply(images).tokens, other.apply(images).tokens, 0);
        model.dispose();
        other.dispose();
      });

    it('writes what it reads again, in its own names', () => {
      const [model, other] = [load(), build()];
      expect(other.loadStateDict(model.stateDict()).missing).toEqual([]);
      const images = tensor(reference.small.images);
      expectClose(model.apply(images).tokens, other.apply(images).tokens, 0);
      model.dispose();
      other.dispose();
    });
  });

  it('resamples the position embeddings of another size at load, to what they are on the way', () => {
    for (const name of ['vit-timm', 'vit-huggingface']) {
      const { state: entries, other } = golden(name);
      const model = new VisionTransformer({ ...tiny, ...models[name], imageSize: [20, 8] });
      expect(model.loadStateDict(state(entries)).resized).toEqual(['pos_embed: 3 × 3 → 5 × 2']);
      expectClose(model.apply(tensor(other.images)).tokens, other.tokens.data, 1e-4);
      model.dispose();
    }
  });

  it('the two ways of resampling are different numbers', () => {
    const { state: entries, other } = golden('vit-timm');
    const model = new VisionTransformer({ ...tiny, interpolation: 'huggingface' });
    model.loadStateDict(state(entries));
    expect(maxDifference(model.apply(tensor(other.images)).tokens, other.tokens.data)).toBeGreaterThan(0.01);
    model.dispose();
  });

  it('reads a checkpoint under any prefix, and the image tower that timm gives to a CLIP', () => {
    const { state: entries, small } = golden('vit-timm');
    const nested = new Map([...state(entries)].map(([name, entry]) => [`module.visual.trunk.${name}`, entry]));
    const projection = { shape: [5, 8], data: Array.from({ length: 40 }, (_, i) => Math.cos(i)) };
    nested.set('module.visual.head.proj.weight', projection);
    nested.set('module.text.proj.weight', projection);
    nested.set('module.logit_scale', { shape: [], data: [1] });
    const model = new VisionTransformer({ ...tiny, projection: 5 });
    const report = model.loadStateDict(nested);
    expect(report).toMatchObject({ missing: [], unexpected: [] });
    expect(report.unused).toEqual(['module.text.proj.weight', 'module.logit_scale']);
    const { classToken, projected } = model.apply(tensor(small.images));
    const rows = classToken
      .arraySync()
      .map((row) =>
        Array.from({ length: 5 }, (_, out) => row.reduce((sum, x, i) => sum + x * projection.data[out * 8 + i]!, 0)),
      );
    expectClose(projected!, rows.flat(), 1e-5);
    model.dispose();
  });

  it('says which arrays of the file a fused one lacks', () => {
    const { state: entries } = golden('vit-huggingface');
    const { 'vit.encoder.layer.1.attention.attention.key.weight': _, ...rest } = entries;
    const model = new VisionTransformer(tiny);
    expect(() => model.loadStateDict(state(rest))).toThrow(
      /missing in the checkpoint: blocks\.1\.attn\.qkv\.weight \(there vit\.encoder\.layer\.1\.attention\.attention\.key\.weight\)/,
    );
    model.dispose();
  });

  it('drops values reproducibly when training, and asks for a seed', () => {
    const model = new VisionTransformer({ ...tiny, dropout: 0.4 });
    const images = tf.ones([1, 12, 12, 3]);
    const run = (seed: number) => model.apply(images, { training: true, seed }).tokens;
    expectClose(run(1), run(1), 0);
    expect(maxDifference(run(1), run(2))).toBeGreaterThan(0);
    expect(() => model.apply(images, { training: true })).toThrow(/seed: expected a whole number/);
    expectClose(model.apply(images).tokens, model.apply(images).tokens, 0);
    model.dispose();
  });

  it('leaks nothing, and frees everything', () => {
    const before = tf.memory().numTensors;
    const model = new VisionTransformer({ ...tiny, ...clip, dropout: 0.1, layerScale: 1 });
    const images = tf.ones([1, 8, 16, 3]);
    const run = () => {
      const { grid: _, ...tensors } = model.apply(images, { training: true, seed: 1 });
      return tensors;
    };
    expectNoLeak(run, [images]);
    const loss = () => tf.sum(run().projected!) as tf.Scalar;
    expectNoLeak(() => tf.variableGrads(loss, [...model.parameters().values()]), [images]);
    model.dispose();
    images.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('names what does not fit', () => {
    expect(() => new VisionTransformer({ ...tiny, imageSize: 14 })).toThrow(
      /imageSize: expected a multiple of patchSize 4/,
    );
    expect(() => new VisionTransformer({ ...tiny, heads: 3 })).toThrow(/heads: expected a divisor of width 8, got 3/);
    const model = new VisionTransformer(tiny);
    expect(() => model.apply(tf.zeros([1, 12, 13, 3]))).toThrow(/multiples of the patch size 4, got 12 × 13/);
    expect(() => model.apply(tf.zeros([1, 12, 12, 1]))).toThrow(/images: expected shape \[b, h, w, 3\]/);
    model.dispose();
  });
});

it('resampling of a grid equals PyTorch, plain and antialiased', () => {
  for (const { from, to, grid, ...expected } of golden('vit-resample')) {
    for (const interpolation of ['timm', 'huggingface'] as const) {
      const { data } = expected[interpolation] as Golden;
      expectClose(resampleGrid(grid.data, from, to, interpolation), data, 2e-6);
    }
  }
});

it('resampling keeps a constant, and a grid of the same size', () => {
  const size = fc.integer({ min: 1, max: 20 });
  const interpolation = fc.constantFrom('timm' as const, 'huggingface' as const);
  fc.assert(
    fc.property(size, size, interpolation, (from, to, kind) => {
      const matrix = bicubicMatrix(from, to, kind);
      const sums = Array.from({ length: to }, (_, i) =>
        matrix.subarray(i * from, (i + 1) * from).reduce((a, b) => a + b),
      );
      expectClose(sums, new Float32Array(to).fill(1), 1e-5);
      const identity = Float32Array.from({ length: from * from }, (_, i) => (i % (from + 1) === 0 ? 1 : 0));
      expectClose(bicubicMatrix(from, from, kind), identity, 1e-6);
    }),
  );
});

it('names and shapes are those of timm, counts those of ViT-S, B and L', () => {
  const { parameters, vitSmall: names, timmTower } = golden('vit-names');
  const model = withoutInitialValues(() => vitSmall({ projection: 5, patchSize: 32 }));
  const sizes = Object.fromEntries([...model.parameters()].map(([name, { size }]) => [name, size]));
  model.dispose();
  const count = (shape: number[]) => shape.reduce((a, b) => a * b, 1);
  const own = (name: string) => (name === 'head.proj.weight' ? 'proj.weight' : name.replace('trunk.', ''));
  const tower = Object.entries(timmTower as Record<string, number[]>).map(([name, shape]) => [own(name), count(shape)]);
  expect(sizes).toEqual(Object.fromEntries(tower));
  expect(Object.keys(sizes).sort()).toEqual([...Object.keys(names), 'proj.weight'].sort());
  const block = (d: number) => 12 * d * d + 13 * d;
  const whole = (d: number, layers: number) => layers * block(d) + (16 * 16 * 3 + 1) * d + (1 + 197) * d + 2 * d;
  expect(parameters).toEqual({
    vit_small_patch16_224: whole(384, 12),
    vit_base_patch16_224: whole(768, 12),
    vit_large_patch16_224: whole(1024, 24),
  });
});
