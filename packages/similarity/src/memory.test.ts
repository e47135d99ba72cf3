import { useBackend } from '@medalign/backend';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { coImportance } from './co-importance';
import { wordPixelSimilarity } from './pairwise';
import { regionFeatures } from './regions';

const MB = 1e6;
const [b, l, p, d] = [48, 97, 361, 768];

/** Bytes of the engine's own heap, which also holds what kernels use inside and tf.memory() does not see. */
const heapBytes = () => (tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.byteLength;

describe('memory at b 48, l 97, a 19² grid, d 768', () => {
  beforeAll(async () => {
    await useBackend('wasm');
  });

  it('needs less than 400 MB where the l×p×d tensor alone has 5 GB', async () => {
    expect(b * l * p * d * 4).toBeGreaterThan(5000 * MB);
    const words = tf.fill([b, l, d], 0.1) as tf.Tensor3D;
    const pixels = tf.fill([b, p, d], 0.2) as tf.Tensor3D;
    const wordMask = tf.ones([b, l]) as tf.Tensor2D;
    const pixelMask = tf.ones([b, p]) as tf.Tensor2D;
    const heapBefore = heapBytes();
    const { peakBytes, result } = await tf.profile(() =>
      tf.tidy(() => {
        const similarity = wordPixelSimilarity(words, pixels);
        const importance = coImportance(similarity, { wordMask, pixelMask });
        return regionFeatures(similarity, pixels, importance, { wordMask, pixelMask });
      }),
    );
    expect((result as tf.Tensor).shape).toEqual([b, l, d]);
    expect(peakBytes).toBeLessThan(400 * MB);
    expect(heapBytes() - heapBefore).toBeLessThan(400 * MB);
    tf.dispose([words, pixels, wordMask, pixelMask, result as tf.Tensor]);
  });
});
