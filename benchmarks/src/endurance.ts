// Does memory stay flat? npm run endurance -- [--backend torch] [--steps 20000] [--out file]
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { useBackend } from '@medalign/backend';
import { infoNce } from '@medalign/losses';
import { batchNormTraining, dropout, gelu, layerNorm, linear, scaledDotProductAttention } from '@medalign/ops';
import { Adam, clipScale, valueAndGradients } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { environment } from './environment';

const { values } = parseArgs({
  options: {
    backend: { type: 'string', default: 'torch' },
    steps: { type: 'string', default: '20000' },
    out: { type: 'string' },
  },
});

const [BATCH, SIDE, WIDTH, WORDS, HEADS] = [8, 8, 16, 6, 2];

function createParameters(): Map<string, tf.Variable> {
  const shapes: Record<string, number[]> = {
    conv: [3, 3, 1, WIDTH],
    bnScale: [WIDTH],
    bnOffset: [WIDTH],
    qkv: [WIDTH, 3 * WIDTH],
    qkvBias: [3 * WIDTH],
    lnScale: [WIDTH],
    lnOffset: [WIDTH],
    temperature: [],
  };
  const value = (name: string, shape: number[], i: number) =>
    name.endsWith('Scale') || name === 'temperature' ? tf.ones(shape) : tf.randomNormal(shape, 0, 0.2, 'float32', i);
  return new Map(
    Object.entries(shapes).map(([name, shape], i) => [name, tf.tidy(() => tf.variable(value(name, shape, i)))]),
  );
}

/** A convolutional image side, a text side of one attention block, InfoNCE between them. */
function loss(parameters: Map<string, tf.Variable>, images: tf.Tensor4D, words: tf.Tensor3D, step: number): tf.Scalar {
  const p = (name: string) => parameters.get(name)! as tf.Tensor;
  const convolved = tf.conv2d(images, p('conv') as tf.Tensor4D, 1, 'same');
  const normalised = batchNormTraining(convolved, p('bnScale'), p('bnOffset')).output;
  const image = tf.mean(tf.relu(normalised), [1, 2]) as tf.Tensor2D;

  const heads = tf.reshape(linear(words, p('qkv'), { bias: p('qkvBias') }), [BATCH, WORDS, 3, HEADS, WIDTH / HEADS]);
  const [q, k, v] = tf.unstack(tf.transpose(heads, [2, 0, 3, 1, 4])) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const mixed = tf.reshape(tf.transpose(scaledDotProductAttention(q, k, v), [0, 2, 1, 3]), [BATCH, WORDS, WIDTH]);
  const block = layerNorm(
    tf.add(words, dropout(gelu(mixed), { rate: 0.1, seed: 1, step })),
    p('lnScale'),
    p('lnOffset'),
  );
  const temperature = tf.clipByValue(p('temperature'), 0.1, 10) as tf.Scalar;
  return infoNce(image, tf.mean(block, 1) as tf.Tensor2D, { temperature });
}

const engine = await useBackend(values.backend);
const parameters = createParameters();
const adam = new Adam(parameters, { learningRate: 1e-3, weightDecay: 1e-2, decoupled: true });
const steps = Number(values.steps);
const every = Math.max(1, Math.floor(steps / 20));
const samples: { step: number; tensors: number; residentMB: number; engineMB: number; loss: number }[] = [];
const started = performance.now();
for (let step = 1; step <= steps; step++) {
  const value = tf.tidy(() => {
    const images = tf.randomNormal<tf.Rank.R4>([BATCH, SIDE, SIDE, 1], 0, 1, 'float32', step);
    const words = tf.randomNormal<tf.Rank.R3>([BATCH, WORDS, WIDTH], 0, 1, 'float32', step + 1);
    const { value, gradients } = valueAndGradients(() => loss(parameters, images, words, step), parameters);
    adam.step(gradients, clipScale(gradients, 1));
    return value.dataSync()[0]!;
  });
  if (!Number.isFinite(value)) throw new Error(`step ${step}: the loss is ${value}`);
  if (step % every !== 0) continue;
  const { numTensors, numBytesInNative } = tf.memory() as tf.MemoryInfo & { numBytesInNative?: number };
  const megabytes = (bytes: number) => Math.round(bytes / 1e5) / 10;
  samples.push({
    step,
    tensors: numTensors,
    residentMB: megabytes(process.memoryUsage.rss()),
    engineMB: megabytes(numBytesInNative ?? tf.memory().numBytes),
    loss: Number(value.toFixed(4)),
  });
  process.stderr.write(`${JSON.stringify(samples.at(-1))}\n`);
  // what Node does between steps of a real program
  await new Promise((resolve) => setImmediate(resolve));
}
const report = {
  ...environment({ engine }),
  steps,
  seconds: Math.round((performance.now() - started) / 1000),
  samples,
};
const text = `${JSON.stringify(report, null, 1)}\n`;
if (values.out) writeFileSync(values.out, text);
else process.stdout.write(text);
