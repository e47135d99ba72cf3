import { expect, it } from 'vitest';
import { batches } from './batches';
import { modelInput } from './model-input';
import { resizePadCrop } from './transform';
import type { Raster } from './types';

const raster = (channels: 1 | 3): Raster => ({
  data: Uint8Array.from({ length: 20 * 13 * channels }, (_, i) => (i * 37) % 256),
  width: 20,
  height: 13,
  channels,
});

it.each([
  [1, 1],
  [1, 3],
  [3, 1],
  [3, 3],
] as const)('gives an image of %d channels to a model of %d as a batch does', async (own, channels) => {
  const image = raster(own);
  const transform = resizePadCrop({ resize: 16, crop: 12 });
  const normalize = { mean: [0.4, 0.5, 0.6], std: 0.25 };
  const sample = { id: 'a', patientId: 'a', text: '', image: { kind: 'pixels' as const, ...image } };
  const { value: batch } = await batches([sample], { transform, channels, normalize, shuffle: false }).next();
  const { pixels, shape, placement } = modelInput(image, { transform, channels, normalize });
  expect(shape).toEqual([12, 12, channels]);
  expect(pixels).toEqual(batch!.images);
  expect(placement.toOriginal([1], { height: 1, width: 1 })).toEqual(
    batch!.transforms[0]!.toOriginal([1], { height: 1, width: 1 }),
  );
});

it('says how many values an image should have', () => {
  const broken = { ...raster(1), width: 21 };
  expect(() => modelInput(broken, { channels: 1 })).toThrow('modelInput: 260 values for a 21 × 13 image of 1 channels');
});
