import { loadImage } from './decode';
import { type Normalization, normalise, perChannel, resizedToUnit } from './model-input';
import { type Augment, toChannels } from './pixels';
import { randomStream } from './random';
import { type Placement, resizePadCrop, type Transform } from './transform';
import { DataError, type Raster, type Sample } from './types';

/** A sample that was left out because its image could not be decoded. */
export interface SkippedSample {
  sample: Sample;
  error: Error;
}

/** Images ready for a model, with everything needed to go back to the originals. */
export interface Batch {
  /** Which batch of the epoch this is: resume after it with `start: index + 1`. */
  index: number;
  /** `[b, h, w, c]`, normalised. */
  images: Float32Array;
  shape: [number, number, number, number];
  samples: Sample[];
  /** Where each image is in the model's view; maps boxes and heat maps both ways. */
  transforms: Placement[];
  /** Samples of this batch left out. */
  skipped: SkippedSample[];
}

/** Options of {@link batches}: size, order, transform, what to do with broken images. */
export interface BatchOptions {
  batchSize?: number;
  seed?: number;
  epoch?: number;
  /** The first batch to make, counted from 0: batches `start…` are the same as without it. */
  start?: number;
  shuffle?: boolean;
  /** Leave out the last batch if the samples do not fill it. */
  dropLast?: boolean;
  /** How images come to the model's size. */
  transform?: Transform;
  /** Random crops instead of the centre. */
  training?: boolean;
  /** Changes exposure at random, after cropping; sees all `channels` of the view. */
  augment?: Augment;
  channels?: 1 | 3;
  /** `(x − mean) / std` on pixels in 0…1. */
  normalize?: Normalization;
  /** Batches decoded ahead of the one in use. */
  prefetch?: number;
  /** How many images may be broken before it is an error. */
  badImages?: { limit: number };
  /** Told of each image left out; without it, a line goes to stderr. */
  onSkip?: (skipped: SkippedSample) => void;
  /** Keeps decoded, resized images between epochs; share one between calls. */
  cache?: ImageCache;
}

/**
 * Decoded and resized images, kept in memory until `maxBytes` (default 1 GiB) are full; then nothing more is added.
 * For sets that fit: from the second epoch on nothing is decoded.
 *
 * @example
 * const cache = new ImageCache(2 ** 28);
 * cache.size; // 0
 */
export class ImageCache {
  private readonly entries = new Map<string, CachedImage>();
  private bytes = 0;

  constructor(private readonly maxBytes = 2 ** 30) {}

  /** Images that are kept. */
  get size(): number {
    return this.entries.size;
  }

  /** The image of this key, if it is kept. */
  get(key: string): CachedImage | undefined {
    return this.entries.get(key);
  }

  /** Keeps an image, unless it is there already or there is no room left. */
  add(key: string, image: CachedImage): void {
    if (this.bytes + image.resized.data.byteLength > this.maxBytes || this.entries.has(key)) return;
    this.entries.set(key, image);
    this.bytes += image.resized.data.byteLength;
  }
}

/** An image at the transform's size in 0…1, with the size it had. A grey one has one channel, whatever was asked for. */
export interface CachedImage {
  resized: Raster & { data: Float32Array };
  width: number;
  height: number;
}

/**
 * The order of an epoch: a permutation that depends on `(seed, epoch)` and the number of samples alone.
 *
 * @returns indices into the samples.
 * @example
 * epochOrder(4, { shuffle: false }); // [0, 1, 2, 3]
 * epochOrder(100, { seed: 1, epoch: 5 }).length; // 100
 */
export function epochOrder(length: number, { seed = 0, epoch = 0, shuffle = true } = {}): Int32Array {
  const order = Array.from({ length }, (_, i) => i);
  return Int32Array.from(shuffle ? randomStream(seed, 'order', epoch).shuffle(order) : order);
}

/**
 * How many batches an epoch has, without starting it.
 *
 * @example
 * batchCount(10, 4); // 3
 * batchCount(10, 4, true); // 2
 */
export function batchCount(length: number, batchSize: number, dropLast = false): number {
  return dropLast ? Math.floor(length / batchSize) : Math.ceil(length / batchSize);
}

async function prepare(
  sample: Sample,
  transform: Transform,
  channels: 1 | 3,
  cache?: ImageCache,
): Promise<CachedImage> {
  const { image } = sample;
  const dicom = image.kind === 'file' && image.dicom ? JSON.stringify(image.dicom) : '';
  const key = image.kind === 'file' ? `${channels}|${transform.key}|${dicom}|${image.path}` : undefined;
  const known = key === undefined ? undefined : cache?.get(key);
  if (known) return known;
  const loaded = await loadImage(image);
  const { width, height } = loaded;
  const resized = resizedToUnit(loaded, transform, channels, sample.id);
  const entry = { resized, width, height };
  if (key !== undefined) cache?.add(key, entry);
  return entry;
}

/**
 * Reads samples batch by batch: decode, resize, pad, crop, augment, normalise; decoding runs ahead on other threads.
 *
 * The order is a function of `(seed, epoch)`, and a sample's crop and exposure of `(seed, epoch)` and its place in
 * `samples`; so batch k is the same whether the epoch began at batch 0 or at `start: k`. An image that cannot be decoded is
 * left out and **its batch is shorter**: no other batch changes. (A batch with no image left is not yielded.) Each
 * is reported, and more than `badImages.limit` since `start` are an error that lists them all.
 *
 * @param samples any samples; images may differ in size.
 * @param options `batchSize` 32, `seed` 0, `epoch` 0, `start` 0, `shuffle` true, `dropLast` false, `transform`
 * `resizePadCrop()` (256, 224), `training` false, `channels` 3, `normalize` mean 0.5 std 0.5, `prefetch` 2,
 * `badImages.limit` 10.
 * @returns an async iterable of batches; leaving the loop early stops the reading.
 * @throws {DataError} on a wrong option, or when too many images are broken.
 * @example
 * const { samples } = phantomChest({ patients: 4, imagesPerPatient: [1, 1] });
 * const transform = resizePadCrop({ resize: 64, crop: 64 });
 * const shapes = [];
 * for await (const batch of batches(samples, { batchSize: 3, transform, channels: 1 })) shapes.push(batch.shape);
 * shapes; // [[3, 64, 64, 1], [1, 64, 64, 1]]
 */
export async function* batches(samples: readonly Sample[], options: BatchOptions = {}): AsyncGenerator<Batch, void> {
  const { batchSize = 32, seed = 0, epoch = 0, start = 0, shuffle = true, dropLast = false } = options;
  const { transform = resizePadCrop(), training = false, augment, channels = 3, prefetch = 2, cache } = options;
  const { normalize = { mean: 0.5, std: 0.5 }, badImages = { limit: 10 } } = options;
  const onSkip =
    options.onSkip ?? (({ sample, error }) => process.stderr.write(`skipped ${sample.id}: ${error.message}\n`));
  for (const [name, value, least] of [
    ['batchSize', batchSize, 1],
    ['start', start, 0],
    ['prefetch', prefetch, 0],
    ['badImages.limit', badImages.limit, 0],
  ] as const) {
    if (!Number.isInteger(value) || value < least) {
      throw new DataError(`batches: ${name}: expected a whole number >= ${least}, got ${value}`);
    }
  }
  if (samples.length === 0) throw new DataError('batches: samples: expected at least one sample, got none');

  const order = epochOrder(samples.length, { seed, epoch, shuffle });
  const count = batchCount(samples.length, batchSize, dropLast);
  const mean = perChannel(normalize.mean, channels);
  const std = perChannel(normalize.std, channels);
  const side = transform.size;
  const pixels = side * side * channels;

  const make = async (index: number): Promise<Batch> => {
    const places = order.subarray(index * batchSize, (index + 1) * batchSize);
    const skipped: SkippedSample[] = [];
    const prepared = await Promise.all(
      Array.from(places, async (place) => {
        try {
          return { place, image: await prepare(samples[place]!, transform, channels, cache) };
        } catch (error) {
          skipped.push({ sample: samples[place]!, error: error as Error });
          return undefined;
        }
      }),
    );
    const good = prepared.filter((entry) => entry !== undefined);
    const images = new Float32Array(good.length * pixels);
    const transforms = good.map(({ place, image }, i) => {
      const random = training || augment ? randomStream(seed, 'sample', epoch, place) : undefined;
      const placement = transform.place(image, training ? random : undefined);
      const view = transform.finish(image.resized, placement);
      const seen = augment ? toChannels(view, channels) : view;
      augment?.(seen.data as Float32Array, random!);
      normalise(seen, images.subarray(i * pixels, (i + 1) * pixels), mean, std);
      return placement;
    });
    const byPlace = new Map(Array.from(places, (place, i) => [samples[place]!, i]));
    skipped.sort((a, b) => byPlace.get(a.sample)! - byPlace.get(b.sample)!);
    const shape: Batch['shape'] = [good.length, side, side, channels];
    return { index, images, shape, samples: good.map(({ place }) => samples[place]!), transforms, skipped };
  };

  const bad: SkippedSample[] = [];
  let seen = 0;
  const ahead: Promise<Batch>[] = [];
  let next = start;
  while (next < count || ahead.length > 0) {
    while (next < count && ahead.length <= prefetch) {
      const promise = make(next++);
      promise.catch(() => {}); // reported when it is this batch's turn; an early exit must not crash the process
      ahead.push(promise);
    }
    const batch = await ahead.shift()!;
    for (const skipped of batch.skipped) {
      bad.push(skipped);
      onSkip(skipped);
    }
    if (bad.length > badImages.limit) {
      const list = bad.map(({ sample, error }) => `  ${sample.id}: ${error.message}`).join('\n');
      throw new DataError(`${bad.length} images could not be decoded (badImages.limit ${badImages.limit}):\n${list}`);
    }
    if (batch.samples.length > 0) yield batch;
    seen += batch.samples.length;
  }
  if (seen === 0 && bad.length > 0) throw new DataError(`batches: none of the ${bad.length} images could be decoded`);
}
