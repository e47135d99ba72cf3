import * as tf from '@tensorflow/tfjs-core';
import type { Alignment } from './config';
import type { PlanModel } from './model';
import type { Tokens } from './tokens';

/** What one round of refinement saw and kept. */
export interface Round {
  /** `[b, p]`: the mean over the kept words of their rows of the similarity. */
  map: tf.Tensor2D;
  /** `[b, l]` 0/1: the words handed on. */
  keywordMask: tf.Tensor2D;
  /** `[b, l]` γ', what they were chosen by; 0 for words that earlier rounds dropped. */
  importance: tf.Tensor2D;
}

/**
 * The rounds of refinement over some images and their texts: three at least, also where training took fewer.
 *
 * @param images `[b, h, w, c]`. @param texts b of them.
 * @returns a round each; the tensors are the caller's.
 */
export function refinementRounds(model: PlanModel, images: tf.Tensor4D, texts: Tokens, alignment: Alignment): Round[] {
  const rounds = tf.tidy(() => {
    const { iterations } = model.refine(images, texts, {
      ...alignment,
      local: 'joint',
      iterations: Math.max(3, alignment.iterations),
    });
    return iterations.map(({ similarity, keywordMask, coImportance }) => {
      const weights = tf.expandDims(keywordMask, 2);
      const map = tf.div(tf.sum(tf.mul(similarity, weights), 1), tf.sum(weights, 1));
      return { map, keywordMask, importance: coImportance.wordImportance };
    }) as unknown as tf.TensorContainer;
  });
  return rounds as unknown as Round[];
}

/** Whether rounds mean anything: a model trained with the global loss alone never compared words with pixels. */
export const hasRounds = ({ local }: Pick<Alignment, 'local'>) => local !== 'none';
