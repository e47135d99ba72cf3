import { segmentSum } from '@medalign/ops';
import { checkChoice, checkNumber, checkShape, OptionError } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Word vectors from a text encoder's hidden states: layers are added up, then the pieces of each word.
 *
 *     W_i = Σ_{pieces n of word i} Σ_{last k layers} H_n          (PLAN after GLoRIA, k = 4)
 *
 * @param hiddenStates `[b, n, d]` each, embeddings first, as `Bert.apply` returns them.
 * @param wordIndex int32 `[b, n]`, the word of each piece; −1 for special tokens and padding.
 * @param options `words` l, the most words of a text in the batch; `layers` k, default 4 (all when there are fewer);
 *   `reduce` over layers and pieces: 'sum' (default) or 'mean'.
 * @returns `[b, l, d]`; a place without pieces is 0.
 * @throws ShapeError if shapes differ; OptionError for an empty list.
 * @example
 * const states = [tf.tensor3d([[[1], [2], [3]]])];
 * const wordIndex = tf.tensor2d([[-1, 0, 0]], [1, 3], 'int32');
 * await wordFeatures(states, wordIndex, { words: 2 }).data(); // [5, 0]
 */
export function wordFeatures(
  hiddenStates: tf.Tensor[],
  wordIndex: tf.Tensor,
  { words, layers = 4, reduce = 'sum' }: { words: number; layers?: number; reduce?: 'sum' | 'mean' },
): tf.Tensor3D {
  if (hiddenStates.length === 0) throw new OptionError('hiddenStates: expected at least one layer, got none');
  const sizes = checkShape('wordIndex', wordIndex, 'b n');
  for (const states of hiddenStates) checkShape('hiddenStates', states, 'b n d', sizes);
  checkNumber('layers', layers, { minimum: 1, integer: true });
  checkChoice('reduce', reduce, ['sum', 'mean']);
  return tf.tidy(() => {
    const chosen = hiddenStates.slice(-layers);
    const added = chosen.reduce((sum, states) => tf.add(sum, states));
    const sums = segmentSum(added, wordIndex, { segments: words });
    if (reduce === 'sum') return sums as tf.Tensor3D;
    const [b, n] = wordIndex.shape as [number, number];
    const pieces = segmentSum(tf.ones([b, n, 1]), wordIndex, { segments: words });
    return tf.div(sums, tf.mul(tf.maximum(pieces, 1), chosen.length)) as tf.Tensor3D;
  });
}
