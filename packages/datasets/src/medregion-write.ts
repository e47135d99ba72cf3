import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import type { MedRegionRecord } from './medregion-record';
import type { MedRegionSample } from './medregion-types';
import { splitNames } from './split';
import { mapLimited } from './table';
import { DataError, type ImageSource, type Raster } from './types';

/** 8 bits stay 8 bits; 0…1 becomes 16 bits. */
async function png({ data, width, height, channels }: Raster): Promise<Buffer> {
  const { default: sharp } = await import('sharp');
  const wide = data instanceof Float32Array;
  const values = wide ? Uint16Array.from(data, (v) => Math.round(65535 * Math.min(1, Math.max(0, v)))) : data;
  const image = sharp(values, { raw: { width, height, channels: channels as 1 | 3 } });
  return image
    .toColourspace(channels === 1 ? (wide ? 'grey16' : 'b-w') : wide ? 'rgb16' : 'srgb')
    .png()
    .toBuffer();
}

/** Writes or copies an image; its path in the folder. */
async function put(folder: string, path: string, image: ImageSource): Promise<string> {
  if (image.kind === 'pixels') {
    await writeFile(join(folder, `${path}.png`), await png(image));
    return `${path}.png`;
  }
  const name = `${path}${extname(image.path).toLowerCase()}`;
  await copyFile(image.path, join(folder, name));
  return name;
}

function recordOf(sample: MedRegionSample, image: string, mask: string | undefined): MedRegionRecord {
  const { id, patientId, modality, summaryCaption, report, regionCaption, negativeCaptions, rois, labels, meta } =
    sample;
  return {
    id,
    patient_id: patientId,
    image,
    modality,
    summary_caption: summaryCaption,
    report,
    region_caption: regionCaption,
    negative_captions: negativeCaptions,
    rois,
    ...(mask !== undefined && { mask }),
    ...(labels && { labels }),
    ...(meta && { meta }),
  };
}

/**
 * Writes samples in the MedRegion format: `records.jsonl`, `images/`, `masks/`, and `split.csv` if the samples have a
 * split. Pixels are written as PNG without loss, image files are copied as they are.
 *
 * The folder appears whole or not at all: it is written beside its place and renamed at the end.
 *
 * @param folder must not exist, or be empty.
 * @throws {DataError} if the folder has content, two samples share an id, some samples have a split and others none, or an
 * image is read with DICOM options, which the format cannot say.
 * @example
 * const { mkdtemp, readdir } = await import('node:fs/promises');
 * const folder = `${await mkdtemp('medregion-')}/set`;
 * await writeMedRegion(folder, phantomMedRegion({ patients: 2 }).samples);
 * (await readdir(folder)).sort(); // ["images", "masks", "records.jsonl"]
 */
export async function writeMedRegion(folder: string, samples: readonly MedRegionSample[]): Promise<void> {
  const content = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new DataError(`${folder}: expected a folder to write to: ${error.message}`);
  });
  if (content.length > 0) {
    throw new DataError(
      `${folder}: expected no folder or an empty one, got ${content.length} entries. Fix: another name`,
    );
  }
  const ids = new Set<string>();
  for (const { id, image } of samples) {
    if (ids.has(id)) throw new DataError(`writeMedRegion: two samples have the id '${id}'; ids must be unique`);
    ids.add(id);
    if (image.kind === 'file' && image.dicom) {
      throw new DataError(
        `writeMedRegion: ${id}: DICOM options have no place in the format. Fix: decode the image first`,
      );
    }
  }
  const splits = samples.flatMap(({ split }) => (split === undefined ? [] : [split]));
  const other = splits.find((name) => !(splitNames as readonly string[]).includes(name));
  if (other !== undefined || (splits.length > 0 && splits.length < samples.length)) {
    const got = other === undefined ? `${splits.length} of ${samples.length} samples with one` : `'${other}'`;
    throw new DataError(
      `writeMedRegion: split: expected ${splitNames.join(', ')} for all samples or for none, got ${got}`,
    );
  }

  const target = resolve(folder);
  await mkdir(dirname(target), { recursive: true });
  const partial = join(dirname(target), `.${basename(target)}-${randomUUID().slice(0, 8)}`);
  await mkdir(partial);
  try {
    await mkdir(join(partial, 'images'));
    if (samples.some(({ mask }) => mask)) await mkdir(join(partial, 'masks'));
    // An id may hold what a file name may not; a number keeps the names of two ids apart.
    const nameOf = (id: string, i: number) =>
      /^[\w][\w.-]{0,100}$/.test(id) ? id : `${String(i).padStart(6, '0')}-${id.replace(/[^\w-]+/g, '-').slice(0, 60)}`;
    const records = await mapLimited(
      samples.map((sample, i) => ({ sample, name: nameOf(sample.id, i) })),
      async ({ sample, name }) => {
        const image = await put(partial, `images/${name}`, sample.image);
        const mask = sample.mask && (await put(partial, `masks/${name}`, sample.mask));
        return recordOf(sample, image, mask);
      },
      8,
    );
    await writeFile(join(partial, 'records.jsonl'), records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    if (splits.length > 0) {
      const quoted = (id: string) => (/[",\r\n]|^\s|\s$/.test(id) ? `"${id.replaceAll('"', '""')}"` : id);
      const lines = samples.map(({ id, split }) => `${quoted(id)},${split}`);
      await writeFile(join(partial, 'split.csv'), `${['id,split', ...lines].join('\n')}\n`);
    }
    if (
      await rmdir(target).then(
        () => true,
        (error) => error.code === 'ENOENT',
      )
    )
      await rename(partial, target);
    else throw new DataError(`${folder}: expected no folder or an empty one. Fix: another name`);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}
