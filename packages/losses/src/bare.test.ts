import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

const source = fileURLToPath(new URL('.', import.meta.url));

async function bundle(contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: source, loader: 'ts' },
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    conditions: ['@medalign/source'],
    external: ['@tensorflow/*'],
    write: false,
  });
  return outputFiles[0]!.text;
}

it('infoNce and sigmoidContrastive have gradients under bare tfjs-core; the others say what to import', async () => {
  const script = await bundle(`
    import * as tf from '@tensorflow/tfjs-core';
    import '@tensorflow/tfjs-backend-cpu';
    import { infoNce, sigmoidContrastive, softTargetContrastive, temperatureFrom } from './index';
    await tf.setBackend('cpu');
    const a = tf.tensor2d([[1, 2], [3, -1], [0.5, 0.2]]);
    const b = tf.tensor2d([[2, 1], [1, 1], [0, 3]]);
    const s = tf.scalar(1);
    const positives = tf.tensor2d([[1, 1, 0], [0, 1, 0], [0, 0, 1]]);
    const numbers = [
      (u, v, t) => infoNce(u, v, { temperature: temperatureFrom(t), chunkSize: 2 }),
      (u, v, t) => infoNce(u, v, { temperature: temperatureFrom(t), positives }),
      (u, v, t) => sigmoidContrastive(u, v, { temperature: temperatureFrom(t), bias: tf.scalar(-1) }),
    ].flatMap((f) => tf.grads(f)([a, b, s]).flatMap((g) => [...g.dataSync()]));
    let message = '';
    try { tf.grad((u) => softTargetContrastive(u, b))(a); } catch (error) { message = error.message; }
    console.log(JSON.stringify({ registered: tf.getGradient('Multiply') !== undefined, numbers, message }));
  `);
  const child = spawnSync(process.execPath, ['--input-type=module', '-'], {
    input: script,
    cwd: source,
    encoding: 'utf8',
  });
  expect(child.status, child.stderr).toBe(0);
  const { registered, numbers, message } = JSON.parse(child.stdout);
  expect(registered).toBe(false);
  expect(numbers).toHaveLength(39);
  expect(numbers.filter((v: number) => v !== 0 && Number.isFinite(v))).toHaveLength(36);
  expect(message).toMatch(/softTargetContrastive: a gradient was asked for.*@medalign\/backend/);
});
