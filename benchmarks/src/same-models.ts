// Do our steps and those of pytorch/ compute the same? node tools/run.mjs benchmarks/src/same-models.ts [python] [engine]
// Small models with the same weights and no noise: prints loss and largest difference of a gradient, relative to the
// largest gradient of its parameter; fails above 1e-3.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { useBackend } from '@medalign/backend';
import { Bert, type Module, ResNet, VisionTransformer } from '@medalign/encoders';
import { configSchema } from '@medalign/example-plan/config';
import { resolveAlignment } from '@medalign/example-plan/recipes';
import { initialModel } from '@medalign/example-plan/step';
import { configSchema as regionSchema } from '@medalign/example-regionmed-clip/config';
import { initialModel as regionModel } from '@medalign/example-regionmed-clip/step';
import { addPrefix, type Loss, valueAndGradients } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { planTexts } from './plan-step';
import { boxes, regionInputs } from './regionmed-step';

const [python = 'python3', engine = 'torch'] = process.argv.slice(2);
await useBackend(engine, { log: () => {} });

const sizes = { vocabulary: 20, layers: 4 };
const ids = tf.randomUniformInt([3, 9], 0, sizes.vocabulary, 2) as tf.Tensor2D;
const images = tf.randomNormal<tf.Rank.R4>([3, 64, 64, 3], 0, 1, 'float32', 1);
const square = (x: tf.Tensor) => tf.sum(tf.square(x));
const training = true;

const image = { layers: [1, 1, 1, 1], widths: [4, 8, 8, 16] };
const text = { layers: sizes.layers, heads: 2, intermediateSize: 24 };

interface Given {
  /** Parts by the prefix of their names in PyTorch. */
  parts: Record<string, Module>;
  /** Parameters of no part; matrices lie the other way round in PyTorch. */
  others?: Record<string, tf.Variable>;
  images?: tf.Tensor4D;
  /** Of RegionMed-CLIP. */
  captions?: tf.Tensor2D;
  loss(): Loss;
}

function plan(): Given {
  const config = configSchema.parse({
    recipe: 'paper',
    image: { channels: 3 },
    model: {
      width: 12,
      image: { ...image, block: 'bottleneck', strides: [1, 2, 2, 2], stem: 'imagenet', localStage: 3 },
      text: { ...text, hiddenSize: 16, maxPositions: 32, lastLayers: 4, global: 'cls' },
    },
    alignment: { selectionNoise: false },
  });
  const words = Array.from({ length: sizes.vocabulary }, (_, i) => `${i}`);
  const model = initialModel(config, words);
  const texts = planTexts(ids, [7, 7, 7]);
  const heads = Object.fromEntries(Object.entries(model.heads).map(([name, head]) => [`${name}.`, head]));
  return {
    parts: { 'resnet.': model.resnet, 'bert.': model.bert, ...heads },
    others: { alpha: model.alpha, beta: model.beta },
    loss: () => model.loss(images, texts, resolveAlignment(config), { training, seed: 1 }),
  };
}

/** Random boxes of ROIs read off the patch grid; crops of whole images, which both sides cut in the same way. */
function regionMed(features: 'crops' | 'align'): Given {
  const config = regionSchema.parse({
    image: { resize: 64, crop: 32 },
    data: { negatives: 2 },
    model: {
      width: 12,
      image: { kind: 'vit', vit: { patchSize: 8, width: 16, layers: 2, heads: 2 } },
      text: { ...text, hiddenSize: 16, maxPositions: 32, pool: 'cls' },
      roi: { features, heads: 2 },
    },
  });
  const words = Array.from({ length: sizes.vocabulary }, (_, i) => `${i}`);
  const model = regionModel(config, words);
  const small = tf.slice(images, 0, [3, 32, 32, 3]);
  const captions = tf.randomUniformInt([9, 5], 0, sizes.vocabulary, 3) as tf.Tensor2D;
  const own = features === 'align' ? boxes : boxes.map(() => [0.5, 0.5, 1, 1]);
  const inputs = regionInputs({ images: small, boxes: own, reports: ids, captions });
  return {
    parts: {
      'image.': model.image.backbone,
      'text.': model.bert,
      'heads.image.': model.heads.image,
      'heads.text.': model.heads.text,
    },
    others: Object.fromEntries([
      ...addPrefix('roi', model.processor.parameters()),
      ...addPrefix('loss_weights', model.uncertainties),
    ]),
    captions,
    images: small,
    loss: () => model.loss(inputs, ['global', 'roi', 'negative'], { training, seed: 1 }),
  };
}

const models: Record<string, () => Given> = {
  resnet: () => {
    const model = new ResNet({ block: 'bottleneck', ...image });
    return { parts: { '': model }, loss: () => square(model.apply(images, { training }).pooled) };
  },
  bert: () => {
    const model = new Bert({ ...text, vocabSize: sizes.vocabulary, hiddenSize: 16, maxPositions: 32, dropout: 0 });
    const attentionMask = tf.onesLike(ids);
    return { parts: { '': model }, loss: () => square(model.apply({ ids, attentionMask }, { training }).pooled) };
  },
  vit: () => {
    const model = new VisionTransformer({ imageSize: 32, patchSize: 8, width: 16, layers: 2, heads: 2 });
    const small = tf.slice(images, 0, [3, 32, 32, 3]);
    return { parts: { '': model }, images: small, loss: () => square(model.apply(small, { training }).classToken) };
  },
  plan,
  'regionmed, align': () => regionMed('align'),
  'regionmed, crops': () => regionMed('crops'),
};

type Entry = { shape: readonly number[]; data: ArrayLike<number> };
const plain = (x: tf.Tensor) => ({ shape: x.shape, data: Array.from(x.dataSync()) });
const turned = (x: tf.Tensor) => (x.rank === 2 ? tf.transpose(x) : x);

function inPyTorch(input: object): { loss: number; gradients: Record<string, Entry> } {
  const script = fileURLToPath(new URL('../pytorch/same_models.py', import.meta.url));
  const { stdout, stderr, status } = spawnSync(python, [script], {
    input: JSON.stringify(input),
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  });
  if (status !== 0) throw new Error(`${python} ${script}: ${stderr}`);
  return JSON.parse(stdout);
}

for (const [name, make] of Object.entries(models)) {
  const { parts, others = {}, images: input = images, captions = ids, loss } = make();
  const named = Object.entries(parts).map(([prefix, part]) => ({ prefix, part, state: part.stateDict() }));
  const state = Object.fromEntries([
    ...named.flatMap(({ prefix, state }) =>
      [...state].map(([key, { shape, data }]) => [prefix + key, { shape, data: Array.from(data) }]),
    ),
    ...Object.entries(others).map(([key, x]) => [key, plain(turned(x))]),
  ]);
  const places = new Map(Object.entries(others));
  for (const { prefix, part } of named) for (const [key, x] of part.parameters()) places.set(prefix + key, x);
  const own = valueAndGradients(loss, places);

  const given = { images: plain(input), ids: plain(ids), captions: plain(captions) };
  const theirs = inPyTorch({ name, sizes, state, boxes, ...given });
  // their gradients, loaded as if they were weights, lie as ours do
  for (const { prefix, part, state } of named) {
    const buffers = [...part.buffers().keys()].map((key) => [key, state.get(key)!] as [string, Entry]);
    const gradients = [...part.parameters().keys()].map(
      (key) => [key, theirs.gradients[prefix + key]!] as [string, Entry],
    );
    part.loadStateDict(new Map([...buffers, ...gradients]));
  }
  for (const [key, x] of Object.entries(others)) {
    const { data, shape } = theirs.gradients[key]!;
    x.assign(turned(tf.tensor(Array.from(data), [...shape])));
  }

  const value = own.value.dataSync()[0]!;
  const worst = { name: '', difference: Math.abs(value / theirs.loss - 1) };
  for (const [key, expected] of places) {
    const gradient = own.gradients.get(key) ?? tf.zerosLike(expected);
    const [difference, size] = [tf.max(tf.abs(tf.sub(gradient, expected))), tf.max(tf.abs(expected))];
    // gradients that are nothing but rounding, such as that of a key's bias, are measured against 1e-4
    const relative = difference.dataSync()[0]! / Math.max(size.dataSync()[0]!, 1e-4);
    if (!(relative <= worst.difference)) Object.assign(worst, { name: key, difference: relative });
  }
  const unused = places.size - own.gradients.size;
  process.stdout.write(
    `${name}: loss ${value}, PyTorch ${theirs.loss}; ${places.size} gradients, ${unused} unused; largest difference ${worst.difference.toExponential(1)} ${worst.name}\n`,
  );
  if (!(worst.difference < 1e-3)) process.exitCode = 1;
}
