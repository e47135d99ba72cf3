import { fileURLToPath } from 'node:url';
import { configSchema } from '@medalign/example-plan/config';
import { resolveAlignment } from '@medalign/example-plan/recipes';
import { initialModel, optimizerOf } from '@medalign/example-plan/step';
import { clipScale, loadConfig, valueAndGradients } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { Iteration } from './cases';

interface Inputs {
  images: tf.Tensor4D;
  /** `[b, words + 2]`: a piece for every word, between the first piece and the last. */
  ids: tf.Tensor2D;
  /** Words of each report. */
  lengths: number[];
}

/** One step of training by a configuration of the PLAN example: loss, gradients, clipping, optimiser. */
export function planStep(name: string, vocabulary: number, { images, ids, lengths }: Inputs): Iteration {
  const file = fileURLToPath(import.meta.resolve(`@medalign/example-plan/configs/${name}`));
  const config = loadConfig({ file, schema: configSchema });
  const alignment = resolveAlignment(config);
  const { clip } = config.optimizer;
  const model = initialModel(
    config,
    Array.from({ length: vocabulary }, (_, i) => `${i}`),
  );
  const adam = optimizerOf(model, config);
  const texts = planTexts(ids, lengths);
  let seed = 0;
  const run = () =>
    tf.tidy(() => {
      const loss = () => model.loss(images, texts, alignment, { training: true, seed: seed++ });
      const { gradients } = valueAndGradients(loss, model.parameters());
      adam.step(gradients, clip > 0 ? clipScale(gradients, clip) : {});
    });
  const dispose = () => {
    adam.dispose();
    model.dispose();
  };
  return Object.assign(run, { dispose });
}

/** Reports of so many words as the example wants them, `[b, words + 2]` pieces. */
export function planTexts(ids: tf.Tensor2D, lengths: number[]) {
  const words = ids.shape[1] - 2;
  const rows = <T>(f: (word: number, length: number) => T) =>
    lengths.map((length) => Array.from({ length: words }, (_, word) => f(word, length)));
  const wordMask = rows((word, length) => (word < length ? 1 : 0));
  const wordIndex = rows((word, length) => (word < length ? word : -1)).map((row) => [-1, ...row, -1]);
  // the last piece is read where the report is as long as there is room
  const attentionMask = wordMask.map((row, i) => [1, ...row, lengths[i] === words ? 1 : 0]);
  return {
    ids,
    attentionMask: tf.tensor2d(attentionMask),
    wordIndex: tf.tensor2d(wordIndex, undefined, 'int32'),
    wordMask: tf.tensor2d(wordMask),
    wordRows: tf.tensor1d(
      wordMask.flatMap((row, i) => row.flatMap((on, word) => (on ? [i * words + word] : []))),
      'int32',
    ),
    words: [],
    dispose: () => {},
  };
}
