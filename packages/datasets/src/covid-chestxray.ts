import { access, readdir } from 'node:fs/promises';
import { join, parse as parsePath } from 'node:path';
import { imageSize, refuseLfsPointer } from './decode';
import { lostLettersNote } from './encoding';
import { dropCounter, readDelimited, readText, requireColumns } from './table';
import { DataError, type Dataset, type Region, type Sample } from './types';

/** Options of {@link covidChestxray}. */
export interface CovidChestxrayOptions {
  /** Kinds of image to keep: `X-ray`, `CT`. */
  modalities?: readonly string[];
  /** Views to keep, such as `['PA', 'AP', 'AP Supine', 'L']`; all without it. */
  views?: readonly string[];
  textColumn?: 'clinical_notes' | 'other_notes';
  /** Leave out rows without text. */
  requireText?: boolean;
}

const columns = ['patientid', 'finding', 'view', 'modality', 'folder', 'filename', 'clinical_notes', 'other_notes'];
const samePatients = [
  ['285', '339'],
  ['287', '340'],
];
const undecided = new Set(['', 'todo', 'unknown']);

const stem = (name: string) => parsePath(name).name;
const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/** `Pneumonia/Viral/COVID-19` and `COVID-19, ARDS` both name several findings. */
const findingNames = (finding: string) =>
  finding
    .split(/[/,]/)
    .map((part) => part.trim())
    .filter(Boolean);

interface LungAnnotations {
  images: { id: number; file_name: string; width: number; height: number }[];
  annotations: { image_id: number; category_id: number; bbox: [number, number, number, number] }[];
  categories: { id: number; name: string }[];
}

/** Stem of the file → lung boxes in parts of the image, so that they fit a resized copy too. */
async function lungBoxes(folder: string): Promise<Map<string, Region[]>> {
  const path = join(folder, 'annotations', 'imageannotation_ai_lung_bounding_boxes.json');
  const boxes = new Map<string, Region[]>();
  if (!(await exists(path))) return boxes;
  const annotations = JSON.parse(await readText(path)) as LungAnnotations;
  for (const key of ['images', 'annotations', 'categories'] as const) {
    if (!Array.isArray(annotations[key])) throw new DataError(`${path}: expected a COCO file with '${key}'`);
  }
  const names = new Map(annotations.categories.map(({ id, name }) => [id, name]));
  const images = new Map(annotations.images.map((image) => [image.id, image]));
  for (const { image_id, category_id, bbox } of annotations.annotations) {
    const image = images.get(image_id);
    if (!image) throw new DataError(`${path}: an annotation names image ${image_id}, which the file does not list`);
    const { width, height } = image;
    const box = { x: bbox[0] / width, y: bbox[1] / height, width: bbox[2] / width, height: bbox[3] / height };
    const list = boxes.get(stem(image.file_name)) ?? [];
    list.push({ name: names.get(category_id) ?? String(category_id), box });
    boxes.set(stem(image.file_name), list);
  }
  return boxes;
}

/**
 * The covid-chestxray-dataset (Cohen et al. 2020): X-rays and CT slices with clinical notes, findings and lung boxes.
 *
 * Labels are the parts of the `finding` path (`Pneumonia/Viral/COVID-19`) or list (`COVID-19, ARDS`), 0 or 1 for
 * every name that occurs. Rows with an undecided finding (`todo`, `Unknown`), another modality or view, no text, a
 * missing file, or a file that an earlier row has already brought, are left out and counted in `counts.dropped`.
 * Ids 285 and 339, and 287 and 340, are two patients, not four (`together`); images of one patient often share a note.
 * `regions` are the lung boxes, `meta.lungMask` the path of a machine-made lung mask where there is one.
 *
 * @param folder holds `metadata.csv` and `images/`.
 * @param options `modalities` X-ray only, `views` all, `textColumn` `clinical_notes`, `requireText` true.
 * @throws {DataError} if a column is missing, no row is left, or the images are Git-LFS pointers.
 */
export async function covidChestxray(
  folder: string,
  { modalities = ['X-ray'], views, textColumn = 'clinical_notes', requireText = true }: CovidChestxrayOptions = {},
): Promise<Dataset> {
  const path = join(folder, 'metadata.csv');
  const table = await readDelimited(path);
  requireColumns(path, table.columns, columns);
  const rows = table.rows as Record<string, string>[];
  const boxes = await lungBoxes(folder);
  const folders = new Map<string, Set<string>>();
  for (const name of new Set(rows.map((row) => row.folder!))) {
    folders.set(name, new Set(await readdir(join(folder, name)).catch(() => [])));
  }
  const masks = await readdir(join(folder, 'annotations', 'lungVAE-masks')).catch(() => [] as string[]);
  const maskOf = new Map(masks.map((name) => [name.replace(/_mask\.png$/, ''), name]));

  const { dropped, drop } = dropCounter();
  const samples: Sample[] = [];
  const seen = new Set<string>();
  for (const row of rows) {
    const file = row.filename!;
    const text = row[textColumn]!.trim();
    if (!modalities.includes(row.modality!)) drop(`modality ${row.modality}`);
    else if (views && !views.includes(row.view!)) drop(`view ${row.view}`);
    else if (undecided.has(row.finding!.trim().toLowerCase())) drop('finding undecided');
    else if (!folders.get(row.folder!)!.has(file)) drop('image file missing');
    else if (seen.has(`${row.folder}/${file}`)) drop('image already in an earlier row');
    else if (requireText && text === '') drop(`no ${textColumn}`);
    else {
      seen.add(`${row.folder}/${file}`);
      const imagePath = join(folder, row.folder!, file);
      const { patientid, finding, view, modality, date, license, offset, sex, age } = row;
      const mask = maskOf.get(stem(file));
      const lungMask = mask && join(folder, 'annotations', 'lungVAE-masks', mask);
      const sample: Sample = {
        id: stem(file),
        patientId: patientid!,
        image: { kind: 'file', path: imagePath },
        text,
        labels: Object.fromEntries(findingNames(finding!).map((name) => [name, 1])),
        meta: { finding, view, modality, date, license, offset, sex, age, lungMask },
      };
      const fractions = boxes.get(stem(file));
      if (fractions) {
        const { width, height } = await imageSize(imagePath);
        sample.regions = fractions.map(({ name, box: b }) => ({
          name,
          box: { x: b.x * width, y: b.y * height, width: b.width * width, height: b.height * height },
        }));
      }
      samples.push(sample);
    }
  }
  if (samples.length === 0) {
    const why = Object.entries(dropped).map(([reason, count]) => `${reason}: ${count}`);
    throw new DataError(`${path}: no row is left of ${rows.length} (${why.join(', ')}). Fix: widen the filters`);
  }
  const first = samples[0]!.image as { path: string };
  await refuseLfsPointer(first.path);
  const names = [...new Set(samples.flatMap(({ labels }) => Object.keys(labels!)))].sort();
  for (const sample of samples) {
    sample.labels = Object.fromEntries(names.map((name) => [name, sample.labels![name] ?? 0]));
  }
  const patients = new Set(samples.map(({ patientId }) => patientId));
  return {
    name: 'covid-chestxray',
    samples,
    counts: { rows: rows.length, kept: samples.length, dropped },
    notes: [
      `${samples.length} of ${rows.length} rows kept.`,
      'Ids 285 and 339 are one patient, and 287 and 340 are one patient; splits keep them together.',
      ...table.notes,
      ...lostLettersNote(rows),
    ],
    together: samePatients.filter((list) => list.some((id) => patients.has(id))),
    options: { modalities, ...(views && { views }), textColumn, requireText },
  };
}
