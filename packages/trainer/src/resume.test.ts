import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onEveryEngine } from '@medalign/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import {
  Adam,
  addPrefix,
  clipByGlobalNorm,
  loadCheckpoint,
  MetricsLog,
  type NamedParameters,
  type OptimizerState,
  type PlateauState,
  ReduceLROnPlateau,
  RunFolder,
  restoreParameters,
  saveCheckpoint,
  seededRandom,
  stopOnNonFinite,
  takePrefix,
  valueAndGradients,
} from './index';

type State = { adam: OptimizerState['values']; plateau: PlateauState };

/** A two-layer network on a fixed random task, trained like the examples: every piece of the package, in order. */
async function train(path: string, { until, resume = false }: { until: number; resume?: boolean }) {
  const run = new RunFolder(path, { config: { seed: 3 }, resume });
  const start = seededRandom(3, 'initial weights');
  const normal = (shape: number[]) =>
    tf.tidy(() =>
      tf.variable(
        tf.tensor(
          Array.from({ length: shape.reduce((a, b) => a * b) }, () => start.normal()),
          shape,
        ),
      ),
    );
  const parameters: NamedParameters = new Map([
    ['hidden.weight', normal([4, 8])],
    ['hidden.bias', normal([8])],
    ['out.weight', normal([8, 1])],
  ]);
  const adam = new Adam(parameters, { learningRate: 0.02, weightDecay: 1e-4 });
  const plateau = new ReduceLROnPlateau({ learningRate: 0.02, patience: 1, threshold: 0.2 });
  let done = 0;
  if (resume) {
    const checkpoint = await loadCheckpoint(path);
    const { adam: values, plateau: plateauState } = checkpoint.state as State;
    restoreParameters(parameters, takePrefix('model', checkpoint.tensors));
    adam.loadState({ tensors: takePrefix('adam', checkpoint.tensors), values });
    plateau.loadState(plateauState);
    done = checkpoint.step;
    tf.dispose([...checkpoint.tensors.values()]);
  }
  const log = new MetricsLog(run.metrics, { resumeAfter: done, clock: () => 0 });
  const counts: number[] = [];
  for (let step = done + 1; step <= until; step++) {
    const batch = seededRandom(3, 'batch', step);
    const loss = tf.tidy(() => {
      const x = tf.tensor2d(
        Array.from({ length: 24 }, () => batch.normal()),
        [6, 4],
      );
      const { value, gradients } = valueAndGradients(() => {
        const hidden = tf.tanh(
          tf.add(tf.matMul(x, parameters.get('hidden.weight') as tf.Tensor2D), parameters.get('hidden.bias')!),
        );
        const out = tf.matMul(hidden as tf.Tensor2D, parameters.get('out.weight') as tf.Tensor2D);
        return tf.mean(tf.square(tf.sub(out, tf.sum(x, 1, true)))) as tf.Scalar;
      }, parameters);
      adam.step(clipByGlobalNorm(gradients, 1).gradients);
      return value.dataSync()[0]!;
    });
    stopOnNonFinite(step, { loss });
    adam.learningRate = plateau.step(loss);
    log.write({ step, loss, learningRate: adam.learningRate });
    counts.push(tf.memory().numTensors);
    if (step % 10 === 0 || step === until) {
      const { tensors, values } = adam.state();
      const all = new Map([...addPrefix('model', parameters as Map<string, tf.Tensor>), ...addPrefix('adam', tensors)]);
      await saveCheckpoint(run.checkpoints, { step, tensors: all, state: { adam: values, plateau: plateau.state() } });
    }
  }
  adam.dispose();
  tf.dispose([...parameters.values()]);
  return { metrics: readFileSync(run.metrics, 'utf8'), counts };
}

onEveryEngine('resume', () => {
  it('training 20 steps at a stretch, and 10, a crash at 13 and 10 more, end in the same bytes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'resume-'));
    const before = tf.memory().numTensors;
    const straight = await train(join(folder, 'straight'), { until: 20 });
    expect(tf.memory().numTensors, 'nothing is left behind').toBe(before);
    expect(new Set(straight.counts.slice(1)).size, 'the same number of tensors after every step').toBe(1);

    const broken = join(folder, 'broken');
    await train(broken, { until: 10 });
    const log = new MetricsLog(join(broken, 'metrics.jsonl'));
    for (const step of [11, 12, 13]) log.write({ step, loss: -1 });
    const resumed = await train(broken, { until: 20, resume: true });

    expect(resumed.metrics).toBe(straight.metrics);
    const file = join('checkpoints', 'step-00000020.safetensors');
    const [a, b] = [readFileSync(join(folder, 'straight', file)), readFileSync(join(broken, file))];
    expect(a.equals(b), 'weights, optimiser and schedule in one file').toBe(true);
    const rates = straight.metrics
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line).learningRate);
    expect(rates.at(9)).not.toBe(rates.at(-1));
  });
});
