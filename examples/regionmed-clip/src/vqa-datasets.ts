import { createHash } from 'node:crypto';
import {
  DataError,
  givenSplit,
  loadImage,
  proposeRois,
  type Roi,
  resizeArea,
  type SplitManifest,
  slake,
  splitByPatient,
  type VqaDataset,
  type VqaSample,
  vqaRad,
} from '@medalign/datasets';
import { ConfigError } from '@medalign/trainer';
import type { VqaConfig } from './vqa-config';

const say = (text: string) => process.stderr.write(`${text}\n`);

/** Long side in pixels of the image in which `proposeRois` looks. */
const proposalSize = 256;

/**
 * Reads the data set.
 *
 * @throws {ConfigError} if no folder was given; {DataError} of the reader.
 */
export async function readVqa({ kind, path }: VqaConfig['data']): Promise<VqaDataset> {
  if (!path)
    throw new ConfigError(`data.path: ${kind} is read from disk, and no folder was given. Fix: --data <folder>`);
  return kind === 'slake' ? slake(path) : vqaRad(path);
}

/** Questions in three parts; training and validation share no image. */
export type VqaSplit = Record<'train' | 'validation' | 'test', VqaSample[]> & { manifest: SplitManifest };

/**
 * The publisher's split. Where it has no validation part (VQA-RAD), some training images are held back for one. What
 * VQA-RAD publishes shares images between training and test, with other questions: it is taken as it is.
 *
 * @throws {DataError} if a part is empty.
 */
export function vqaSplit(all: VqaDataset, { validation, seed, limit }: VqaConfig['data']): VqaSplit {
  const dataset = limit === undefined ? all : limited(all, limit);
  const split = dataset.samples.some((sample) => sample.split === 'validation')
    ? (givenSplit(dataset) as VqaSplit)
    : heldBack(dataset, { share: validation, seed });
  for (const part of ['train', 'validation', 'test'] as const) {
    if (split[part].length === 0) throw new DataError(`${dataset.name}: the ${part} part has no question`);
  }
  return split;
}

/** The questions about the first images of each part. */
function limited(dataset: VqaDataset, limit: number): VqaDataset {
  const images: Record<string, Set<string>> = {};
  const samples = dataset.samples.filter(({ split, patientId }) => {
    images[split] ??= new Set();
    if (images[split].size < limit) images[split].add(patientId);
    return images[split].has(patientId);
  });
  return { ...dataset, samples };
}

function heldBack(dataset: VqaDataset, { share, seed }: { share: number; seed: number }): VqaSplit {
  const part = (name: string) => dataset.samples.filter(({ split }) => split === name);
  const fractions = { train: 1 - share, validation: share, test: 0 };
  const split = splitByPatient({ ...dataset, samples: part('train') }, { fractions, seed });
  const test = part('test');
  const ids = test.map(({ id }) => id).sort();
  const sha256 = createHash('sha256').update(ids.join('\n')).digest('hex');
  const patients = new Set(test.map(({ patientId }) => patientId)).size;
  const parts = { ...split.manifest.parts, test: { patients, samples: ids.length, sha256, ids } };
  return { ...split, test, manifest: { ...split.manifest, parts } } as VqaSplit;
}

/** The ROIs of every image of some questions, by patient id; a broken image has none, and is told of when it is read. */
export async function regionsOf(
  questions: readonly VqaSample[],
  from: VqaConfig['data']['regions'],
  { count }: { count: number },
): Promise<Map<string, Roi[]>> {
  const images = new Map(questions.map((question) => [question.patientId, question]));
  const rois = new Map<string, Roi[]>();
  const without: VqaSample[] = [];
  for (const [id, sample] of images) {
    const boxes = from === 'boxes' ? sample.regions : undefined;
    rois.set(id, boxes?.map(({ name, box }) => ({ ...box, source: 'annotator', score: 1, caption: name })) ?? []);
    if (!boxes && from !== 'whole') without.push(sample);
  }
  if (without.length > 0) say(`looking for what stands out in ${without.length} images without boxes …`);
  for (const { patientId, image } of without) {
    const raster = await loadImage(image).catch(() => undefined);
    if (!raster) continue;
    const scale = Math.min(1, proposalSize / Math.max(raster.width, raster.height));
    const [width, height] = [raster.width, raster.height].map((side) => Math.max(1, Math.round(side * scale)));
    const small = resizeArea(raster, width!, height!);
    const [across, down] = [raster.width / width!, raster.height / height!];
    const proposed = proposeRois(raster.data instanceof Uint8Array ? inUnit(small) : small, { count });
    rois.set(
      patientId,
      proposed.map((roi) => ({
        ...roi,
        x: roi.x * across,
        y: roi.y * down,
        width: roi.width * across,
        height: roi.height * down,
      })),
    );
  }
  return rois;
}

/** 0…255 to 0…1. */
const inUnit = <R extends { data: Float32Array }>(raster: R): R => ({
  ...raster,
  data: raster.data.map((value) => value / 255),
});
