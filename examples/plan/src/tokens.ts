import type { Tokenizer } from '@medalign/encoders';
import * as tf from '@tensorflow/tfjs-core';

/** Tokenised texts on the engine. */
export interface Tokens {
  /** int32 `[b, n]`. */
  ids: tf.Tensor2D;
  /** `[b, n]`, 1 = a piece. */
  attentionMask: tf.Tensor2D;
  /** int32 `[b, n]`: the word of each piece, −1 for special pieces and padding. */
  wordIndex: tf.Tensor2D;
  /** `[b, l]`, 1 = a word. */
  wordMask: tf.Tensor2D;
  /** int32 `[n]`: rows of the flattened `[b · l]` words that are words and not padding. */
  wordRows: tf.Tensor1D;
  words: string[][];
  dispose(): void;
}

/** Texts as the model reads them: longer ones are cut. Runs in browsers too. */
export function tokenize(
  texts: readonly string[],
  tokenizer: Tokenizer,
  { maxWords, maxPieces }: { maxWords: number; maxPieces: number },
): Tokens {
  const encoded = tokenizer.encode([...texts], { maxWords, maxPieces });
  const [b, n] = encoded.shape;
  const l = encoded.maxWordsInBatch;
  const ids = tf.tensor2d(encoded.ids, [b, n], 'int32');
  const attentionMask = tf.tensor2d(encoded.attentionMask, [b, n]);
  const wordIndex = tf.tensor2d(encoded.wordIndex, [b, n], 'int32');
  const wordMask = tf.tensor2d(encoded.wordMask, [b, l]);
  const valid = Array.from(encoded.wordMask.keys()).filter((row) => encoded.wordMask[row]);
  const wordRows = tf.tensor1d(valid, 'int32');
  const dispose = () => tf.dispose([ids, attentionMask, wordIndex, wordMask, wordRows]);
  return { ids, attentionMask, wordIndex, wordMask, wordRows, words: encoded.words, dispose };
}
