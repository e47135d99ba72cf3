import { wordRegionLoss } from '@medalign/losses';
import { coImportance, regionFeatures, wordPixelSimilarity } from '@medalign/similarity';
import type * as tf from '@tensorflow/tfjs-core';

/** PLAN's local loss of one iteration (Eqs 4–13): words `[b, l, d]`, pixels `[b, p, d]`, projection `[d, d]`. */
export function planLocalLoss(words: tf.Tensor, pixels: tf.Tensor, projection: tf.Tensor): tf.Scalar {
  const [w, g] = [words as tf.Tensor3D, pixels as tf.Tensor3D];
  const similarity = wordPixelSimilarity(w, g);
  const regions = regionFeatures(similarity, g, coImportance(similarity), { projection: projection as tf.Tensor2D });
  return wordRegionLoss(regions, w, { temperature: 0.1 });
}
