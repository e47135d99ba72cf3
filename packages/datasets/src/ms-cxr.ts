import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { imageSize, refuseLfsPointer } from './decode';
import {
  countNote,
  dropCounter,
  FileLookup,
  mapLimited,
  readDelimited,
  readText,
  requireColumns,
  requireRows,
} from './table';
import { type Box, DataError, type Dataset, type Finding, type Sample } from './types';

/** Options of {@link msCxr}. */
export interface MsCxrOptions {
  /** The folder of MIMIC-CXR-JPG that holds `files/`. */
  images: string;
}

/** One box of one phrase, whichever file it comes from. */
interface BoxRow {
  where: string;
  dicomId: string;
  category: string;
  phrase: string;
  path: string;
  box: Box;
  width: number;
  height: number;
  split?: string;
}

const columns = ['dicom_id', 'category_name', 'label_text', 'path', 'x', 'y', 'w', 'h', 'image_width', 'image_height'];

async function tableRows(path: string): Promise<BoxRow[]> {
  const table = await readDelimited(path);
  requireColumns(path, table.columns, columns);
  return (table.rows as Record<string, string>[]).map((row, i) => ({
    where: `${path}: row ${i + 1}`,
    dicomId: row.dicom_id!,
    category: row.category_name!,
    phrase: row.label_text!.trim(),
    path: row.path!,
    box: { x: Number(row.x), y: Number(row.y), width: Number(row.w), height: Number(row.h) },
    width: Number(row.image_width),
    height: Number(row.image_height),
    split: row.split || undefined,
  }));
}

interface Coco {
  images: { id: number; file_name: string; path: string; width: number; height: number; split?: string }[];
  annotations: { image_id: number; category_id: number; bbox: number[]; label_text: string; split?: string }[];
  categories: { id: number; name: string }[];
}

const cocoKeys = {
  images: ['id', 'file_name', 'path', 'width', 'height'],
  annotations: ['image_id', 'category_id', 'bbox', 'label_text'],
  categories: ['id', 'name'],
} as const;

async function cocoRows(path: string): Promise<BoxRow[]> {
  let coco: Coco;
  try {
    coco = JSON.parse(await readText(path));
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${path}: not JSON: ${(error as Error).message}`);
  }
  for (const [list, keys] of Object.entries(cocoKeys) as [keyof Coco, readonly string[]][]) {
    if (!Array.isArray(coco[list]))
      throw new DataError(`${path}: expected a COCO file with a list '${list}', found ${Object.keys(coco).join(', ')}`);
    coco[list].forEach((entry, i) => {
      requireColumns(`${path}: ${list}[${i}]`, Object.keys(entry), keys, { firstLine: false });
    });
  }
  const images = new Map(coco.images.map((image) => [image.id, image]));
  const names = new Map(coco.categories.map(({ id, name }) => [id, name]));
  return coco.annotations.map(({ image_id, category_id, bbox, label_text, split }, i) => {
    const where = `${path}: annotations[${i}]`;
    const image = images.get(image_id);
    const category = names.get(category_id);
    if (!image) throw new DataError(`${where}: image_id ${image_id} is not among the images`);
    if (category === undefined) throw new DataError(`${where}: category_id ${category_id} is not among the categories`);
    const [x, y, width, height] = bbox.map(Number);
    return {
      where,
      dicomId: image.file_name.replace(/^.*\//, '').replace(/\.[^.]*$/, ''),
      category,
      phrase: label_text.trim(),
      path: image.path,
      box: { x, y, width, height } as Box,
      width: image.width,
      height: image.height,
      split: split ?? image.split,
    };
  });
}

/** The annotation file of a folder; of CSV and JSON, which hold the same, CSV. */
async function annotationFile(source: string): Promise<string> {
  const found = await stat(source).catch((error) => {
    throw new DataError(`${source}: cannot read: ${error.message}`);
  });
  if (found.isFile()) return source;
  const names = (await readdir(source)).filter((name) => /^MS_CXR_Local_Alignment_v.*\.(csv|json)$/i.test(name)).sort();
  const versions = new Set(names.map((name) => name.replace(/\.[^.]*$/, '')));
  if (versions.size !== 1) {
    throw new DataError(
      `${source}: expected one MS_CXR_Local_Alignment_v1.0.0.csv or .json, found ${names.join(', ') || 'none'}. Fix: give the path of the file`,
    );
  }
  return join(source, names[0]!);
}

/** The smallest box around all. */
function around(boxes: readonly Box[]): Box {
  const x = Math.min(...boxes.map((box) => box.x));
  const y = Math.min(...boxes.map((box) => box.y));
  const right = Math.max(...boxes.map((box) => box.x + box.width));
  const bottom = Math.max(...boxes.map((box) => box.y + box.height));
  return { x, y, width: right - x, height: bottom - y };
}

/**
 * MS-CXR (Boecking et al. 2022, arXiv 2204.09817), versions 0.1, 1.0 and 1.1: phrases with their boxes on images of
 * MIMIC-CXR-JPG.
 *
 * The file has a row per box; rows of one image and one phrase form one finding with several boxes, in pixels of the
 * original image. A sample is an image, its `findings` are its phrases, its `text` the phrases one after the other.
 * The split of version 1.1 (`Sample.split`) is not that of MIMIC-CXR: leave `patientIds` of the result out of pre-training
 * with `mimicCxrJpg(…, { excludePatients })`.
 *
 * @param source the annotation file (CSV or COCO JSON), or the folder that holds one version of it.
 * @param options `images`, the folder of MIMIC-CXR-JPG.
 * @throws {DataError} naming the file, the row and what is wrong: a missing column with the nearest name found, a resized
 * image (its boxes would be off), no image at all.
 */
export async function msCxr(source: string, { images }: MsCxrOptions): Promise<Dataset> {
  const path = await annotationFile(source);
  const rows = path.toLowerCase().endsWith('.json') ? await cocoRows(path) : await tableRows(path);
  const byImage = new Map<string, BoxRow[]>();
  for (const row of rows) byImage.set(row.dicomId, [...(byImage.get(row.dicomId) ?? []), row]);
  const phrases = new Map<string, BoxRow[]>();
  for (const row of rows) {
    const key = `${row.dicomId}\n${row.phrase}`;
    phrases.set(key, [...(phrases.get(key) ?? []), row]);
  }

  const { dropped, drop } = dropCounter();
  const files = new FileLookup();
  let degenerate = 0;
  let mixed = 0;
  const inside = ({ box, width, height, where }: BoxRow) => {
    if (!Object.values(box).every(Number.isFinite))
      throw new DataError(`${where}: expected numbers x, y, w, h, got ${Object.values(box).join(', ')}`);
    return (
      box.width > 0 &&
      box.height > 0 &&
      box.x < width &&
      box.y < height &&
      box.x + box.width > 0 &&
      box.y + box.height > 0
    );
  };
  const read = await mapLimited([...byImage], async ([dicomId, all]): Promise<Sample | string> => {
    const first = all[0]!;
    const [, subject, study] = /(?:^|\/)p(\d{8})\/s(\d+)\//.exec(first.path) ?? [];
    if (!subject)
      throw new DataError(
        `${first.where}: path: expected files/p10/p10000032/s50414267/<dicom>.jpg, got '${first.path}'`,
      );
    const file = join(images, first.path);
    if (!(await files.has(file))) return 'image file missing';
    const findings: Finding[] = [];
    for (const phrase of new Set(all.map((row) => row.phrase))) {
      const own = phrases.get(`${dicomId}\n${phrase}`)!;
      const good = own.filter(inside);
      degenerate += own.length - good.length;
      if (new Set(own.map(({ category }) => category)).size > 1) mixed += 1;
      const boxes = good.map(({ box }) => box);
      if (boxes.length > 0) findings.push({ category: good[0]!.category, phrase, box: around(boxes), boxes });
    }
    if (findings.length === 0) return 'no box inside the image';
    await refuseLfsPointer(file);
    const { width, height } = await imageSize(file);
    if (width !== first.width || height !== first.height) {
      throw new DataError(
        `${file}: ${first.where} has boxes in pixels of ${first.width} × ${first.height}, the image is ${width} × ${height}. Fix: use the original images`,
      );
    }
    return {
      id: dicomId,
      patientId: subject,
      studyId: study!,
      image: { kind: 'file', path: file },
      text: findings.map(({ phrase }) => (/[.!?]$/.test(phrase) ? phrase : `${phrase}.`)).join(' '),
      findings,
      split: first.split,
    };
  });
  for (const result of read) if (typeof result === 'string') drop(result);
  const samples = read.filter((result) => typeof result !== 'string');
  requireRows(path, byImage.size, samples.length, dropped, '`images`: the folder of MIMIC-CXR-JPG that holds files/');
  const perCategory = new Map<string, number>();
  for (const [row] of phrases.values()) perCategory.set(row!.category, (perCategory.get(row!.category) ?? 0) + 1);
  const list = [...perCategory].sort().map(([name, count]) => `${name} ${count}`);
  return {
    name: 'ms-cxr',
    samples,
    counts: { rows: byImage.size, kept: samples.length, dropped },
    notes: [
      `${phrases.size} phrases in ${rows.length} boxes on ${byImage.size} images: ${list.join(', ')}.`,
      ...countNote('Phrases', 1_162, phrases.size),
      ...countNote('Categories', 8, perCategory.size),
      ...(degenerate ? [`${degenerate} boxes without area or outside their image are left out.`] : []),
      ...(mixed ? [`${mixed} phrases are listed under two categories; the first counts.`] : []),
      ...(rows.some(({ split }) => split)
        ? [
            "The split is MS-CXR's own, not that of MIMIC-CXR: leave these patients out of pre-training (patientIds, excludePatients).",
          ]
        : ['Leave these patients out of pre-training on MIMIC-CXR (patientIds, excludePatients).']),
    ],
  };
}
