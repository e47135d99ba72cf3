import { l2Normalize, wordPixelSimilarity } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import { phraseMaps } from './maps';
import type { OpenedModel } from './model-file';
import { hasRounds, refinementRounds } from './rounds';
import { tokenize } from './tokens';

/** A map on the feature grid, row by row. */
export interface GridMap {
  data: Float32Array;
  height: number;
  width: number;
}

/** What a model says of one phrase over one image. */
export interface PhraseReading {
  /** Cosine of the image's and the phrase's own vectors, −1…1: what retrieval ranks by. */
  score: number;
  /** The words as the tokenizer reads them, without those that were cut off. */
  words: string[];
  /** The map of the whole phrase, of the kind that the model is read by. */
  phrase: GridMap;
  /** One map per word: its row of S (Eq 4). */
  perWord: GridMap[];
  /** Which words each round kept, by which importance, and the mean of their rows; none for a model without local loss. */
  rounds: { kept: boolean[]; importance: number[]; map: GridMap }[];
}

/**
 * Reads one phrase over one image: on any engine, in browsers too.
 *
 * @param pixels `[h, w, c]`, normalised as in training (`modelInput`).
 */
export async function readPhrase(
  { model, tokenizer, settings }: OpenedModel,
  { pixels, shape }: { pixels: Float32Array; shape: [number, number, number] },
  phrase: string,
): Promise<PhraseReading> {
  const { alignment, map: kind, text } = settings;
  const tokens = tokenize([phrase], tokenizer, text);
  const images = tf.tensor4d(pixels, [1, ...shape]);
  const read = tf.tidy(() => {
    const image = model.encodeImages(images);
    const own = model.encodeTexts(tokens);
    const compare = { kind: alignment.similarity, scale: alignment.similarityScale };
    return {
      map: phraseMaps(kind, model, image, own, [0], alignment),
      rows: wordPixelSimilarity(own.words, image.projectedPixels, compare),
      score: tf.sum(tf.mul(l2Normalize(image.global), l2Normalize(own.global))),
    };
  });
  const rounds = hasRounds(alignment) ? refinementRounds(model, images, tokens, alignment) : [];
  try {
    const words = tokens.words[0]!;
    const [, l, p] = read.rows.shape;
    const [, height, width] = read.map.shape;
    const rows = (await read.rows.data()) as Float32Array;
    const side = Math.round(Math.sqrt(p));
    const onGrid = (data: Float32Array): GridMap => ({ data, height: side, width: side });
    return {
      score: (await read.score.data())[0]!,
      words,
      phrase: { data: (await read.map.data()) as Float32Array, height, width },
      perWord: Array.from({ length: l }, (_, i) => onGrid(rows.slice(i * p, (i + 1) * p))),
      rounds: await Promise.all(
        rounds.map(async ({ keywordMask, importance, map }) => ({
          kept: Array.from(await keywordMask.data(), (value) => value === 1),
          importance: Array.from(await importance.data()),
          map: onGrid((await map.data()) as Float32Array),
        })),
      ),
    };
  } finally {
    tf.dispose([images, read as unknown as tf.TensorContainer, rounds as unknown as tf.TensorContainer]);
    tokens.dispose();
  }
}
