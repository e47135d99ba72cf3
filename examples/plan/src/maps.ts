import { l2Normalize, wordPixelSimilarity } from '@medalign/similarity';
import * as tf from '@tensorflow/tfjs-core';
import type { Alignment } from './config';
import type { EncodedImages, EncodedTexts, PlanModel } from './model';

/** The three ways a model is read: rows of S, the phrase's own vector against pixels, and Grad-CAM. */
export const mapKinds = ['words', 'phrase', 'gradcam'] as const;
export type MapKind = (typeof mapKinds)[number];

/** One map per phrase on the feature grid: `[n, h, w]`. */
export type PhraseMaps = tf.Tensor3D;

/**
 * Maps of n phrases, each over the image it belongs to.
 *
 * - `words`: the mean over the phrase's words of their rows of S (Eq 4), as the paper reads its maps.
 * - `phrase`: ⟨norm(t), norm(f_j · Wimage)⟩, the phrase's own vector t against each cell f_j of the last stage (as BioViL does).
 * - `gradcam`: ReLU(Σ_c w_c f_jc), w = the mean over the grid of ∂cos(image, phrase)/∂f (Selvaraju et al. 2017).
 *
 * @param images the encoded images, b of them.
 * @param texts the encoded phrases, n of them.
 * @param imageOf `[n]`, which image each phrase is read over.
 */
export function phraseMaps(
  kind: MapKind,
  model: PlanModel,
  images: EncodedImages,
  texts: EncodedTexts,
  imageOf: readonly number[],
  alignment: Alignment,
): PhraseMaps {
  return tf.tidy(() => {
    const index = tf.tensor1d([...imageOf], 'int32');
    if (kind === 'words') {
      const keys = tf.gather(images.projectedPixels, index);
      const similarity = wordPixelSimilarity(texts.words, keys, {
        kind: alignment.similarity,
        scale: alignment.similarityScale,
      });
      const weights = tf.expandDims(texts.wordMask, 2);
      const rows = tf.div(tf.sum(tf.mul(similarity, weights), 1), tf.sum(weights, 1)) as tf.Tensor2D;
      return onGrid(rows);
    }
    const [, h, w, c] = images.lastFeatures.shape;
    const features = tf.gather(images.lastFeatures, index);
    const text = l2Normalize(texts.global);
    if (kind === 'phrase') {
      const cells = l2Normalize(model.imageVector(tf.reshape(features, [-1, h * w, c])));
      return tf.reshape(tf.matMul(cells as tf.Tensor3D, tf.expandDims(text, 2) as tf.Tensor3D), [-1, h, w]);
    }
    const agreement = (f: tf.Tensor) =>
      tf.sum(tf.mul(l2Normalize(model.imageVector(tf.mean(f, [1, 2]))), text)) as tf.Scalar;
    const weights = tf.mean(tf.grad(agreement)(features), [1, 2], true);
    return tf.relu(tf.sum(tf.mul(features, weights), 3)) as PhraseMaps;
  });
}

/** `[n, p]` → `[n, h, w]` for a square grid. */
function onGrid(rows: tf.Tensor2D): PhraseMaps {
  const side = Math.round(Math.sqrt(rows.shape[1]));
  return tf.reshape(rows, [-1, side, side]);
}
