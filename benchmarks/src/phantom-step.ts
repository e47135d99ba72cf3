import { fileURLToPath } from 'node:url';
import { configSchema } from '@medalign/example-plan/config';
import { resolveAlignment } from '@medalign/example-plan/recipes';
import { initialModel, optimizerOf } from '@medalign/example-plan/step';
import { clipByGlobalNorm, loadConfig, valueAndGradients } from '@medalign/trainer';
import * as tf from '@tensorflow/tfjs-core';

const [BATCH, SIDE, WORDS, VOCABULARY] = [32, 64, 71, 1210];

/** One step of `npm run plan` on images and reports of its sizes: loss, gradients, clipping, optimiser. */
export function phantomStep(): () => void {
  const file = fileURLToPath(import.meta.resolve('@medalign/example-plan/configs/phantom.yaml'));
  const config = loadConfig({ file, schema: configSchema });
  const alignment = resolveAlignment(config);
  const model = initialModel(
    config,
    Array.from({ length: VOCABULARY }, (_, i) => `${i}`),
  );
  const adam = optimizerOf(model, config);
  const images = tf.randomNormal<tf.Rank.R4>([BATCH, SIDE, SIDE, 1], 0, 1, 'float32', 1);
  const texts = tokens();
  let seed = 0;
  return () => {
    tf.tidy(() => {
      const loss = () => model.loss(images, texts, alignment, { training: true, seed: seed++ });
      const { gradients } = valueAndGradients(loss, model.parameters());
      adam.step(clipByGlobalNorm(gradients, config.optimizer.clip).gradients);
    });
  };
}

/** Reports of 40 to 70 words, a piece for every word. */
function tokens() {
  const lengths = Array.from({ length: BATCH }, (_, i) => 40 + (i % (WORDS - 40)));
  const rows = <T>(f: (word: number, length: number) => T) =>
    lengths.map((length) => Array.from({ length: WORDS }, (_, word) => f(word, length)));
  const around = (list: number[][], first: number, last: number) => list.map((row) => [first, ...row, last]);
  const wordMask = rows((word, length) => (word < length ? 1 : 0));
  return {
    ids: tf.randomUniformInt([BATCH, WORDS + 2], 0, VOCABULARY, 2) as tf.Tensor2D,
    attentionMask: tf.tensor2d(around(wordMask, 1, 0)),
    wordIndex: tf.tensor2d(
      around(
        rows((word, length) => (word < length ? word : -1)),
        -1,
        -1,
      ),
      undefined,
      'int32',
    ),
    wordMask: tf.tensor2d(wordMask),
    wordRows: tf.tensor1d(
      wordMask.flatMap((row, i) => row.flatMap((on, word) => (on ? [i * WORDS + word] : []))),
      'int32',
    ),
    words: [],
    dispose: () => {},
  };
}
