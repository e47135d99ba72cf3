import { dropCounter, readDelimited, requireColumns } from './table';
import { DataError, type Dataset, type Roi, type Sample } from './types';

/** Boxes from a file, by image. */
export interface RoiTable {
  path: string;
  /** What the file calls the image → its boxes, in the file's order. */
  rois: Map<string, Roi[]>;
  counts: { rows: number; kept: number; dropped: Record<string, number> };
}

/** Options of {@link readRois}. */
export interface RoiTableOptions {
  /** Leave out boxes with a lower score. */
  minScore?: number;
}

/**
 * Boxes from a CSV file, such as a detector's: `image,x,y,width,height[,source,score]`, a row per box, in pixels of the
 * original image. Without the columns, `source` is `file` and `score` 1.
 *
 * Boxes without area (detectors and annotators produce some) and those with a low score are left out and counted.
 *
 * @param options `minScore` 0.
 * @throws {DataError} naming the file, the row and what is wrong: a missing column with the nearest name found, a
 * coordinate that is no number, a score outside 0…1.
 * @example
 * const { writeFile } = await import('node:fs/promises');
 * await writeFile('boxes.csv', 'image,x,y,width,height,score\na.png,1,2,30,40,0.9\na.png,5,5,0,9,0.8\n');
 * const { rois, counts } = await readRois('boxes.csv');
 * rois.get('a.png')?.[0]?.height; // 40
 * counts.dropped; // {"box without area": 1}
 */
export async function readRois(path: string, { minScore = 0 }: RoiTableOptions = {}): Promise<RoiTable> {
  const { columns, rows } = await readDelimited(path);
  requireColumns(path, columns, ['image', 'x', 'y', 'width', 'height']);
  const { dropped, drop } = dropCounter();
  const rois = new Map<string, Roi[]>();
  let kept = 0;
  for (const [i, row] of (rows as Record<string, string>[]).entries()) {
    const where = `${path}: row ${i + 1}`;
    const number = (name: string, otherwise?: number): number => {
      const cell = (row[name] ?? '').trim();
      if (cell === '' && otherwise !== undefined) return otherwise;
      const value = cell === '' ? Number.NaN : Number(cell);
      if (!Number.isFinite(value)) throw new DataError(`${where}: ${name}: expected a number, got '${cell}'`);
      return value;
    };
    const image = (row.image ?? '').trim();
    if (image === '') throw new DataError(`${where}: image: expected a file name or id, got none`);
    const [x, y, width, height] = [number('x'), number('y'), number('width'), number('height')];
    const score = number('score', 1);
    if (!(score >= 0 && score <= 1)) throw new DataError(`${where}: score: expected 0…1, got ${score}`);
    if (!(width > 0 && height > 0)) drop('box without area');
    else if (score < minScore) drop(`score below ${minScore}`);
    else {
      const list = rois.get(image) ?? [];
      list.push({ x, y, width, height, source: (row.source ?? '').trim() || 'file', score });
      rois.set(image, list);
      kept++;
    }
  }
  return { path, rois, counts: { rows: rows.length, kept, dropped } };
}

/** Names by which a table may call a sample: its id, and its file's path from any folder on. */
function namesOf({ id, image }: Sample): string[] {
  if (image.kind !== 'file') return [id];
  const parts = image.path.split(/[\\/]/);
  return [id, ...parts.map((_, i) => parts.slice(i).join('/'))];
}

/**
 * Gives the images of a dataset the boxes of a table, matched by sample id or by the end of the image's path (`a.png`,
 * `images/a.png`). Boxes that a sample already has stay, before the new ones.
 *
 * @returns a new dataset; its notes say how many images got boxes, and how many names of the table are of none.
 * @throws {DataError} if no image matches, or a name fits images in two folders.
 * @example
 * const set = phantomChest({ patients: 2, imagesPerPatient: [1, 1] });
 * const box = { x: 1, y: 2, width: 3, height: 4, source: 'detector', score: 0.9 };
 * const table = { path: 'boxes.csv', rois: new Map([['p00000-1', [box]]]), counts: { rows: 1, kept: 1, dropped: {} } };
 * withRois(set, table).samples[0]?.rois?.length; // 1
 */
export function withRois<D extends Dataset>(dataset: D, table: RoiTable): D {
  const filesOf = new Map<string, Set<string>>();
  for (const sample of dataset.samples) {
    const file = sample.image.kind === 'file' ? sample.image.path : sample.id;
    for (const name of namesOf(sample)) {
      if (table.rois.has(name)) filesOf.set(name, (filesOf.get(name) ?? new Set()).add(file));
    }
  }
  for (const [name, files] of filesOf) {
    if (files.size > 1) {
      throw new DataError(
        `${table.path}: image '${name}' could be ${[...files].slice(0, 2).join(' or ')}. Fix: write more of the path`,
      );
    }
  }
  if (filesOf.size === 0) {
    const [wanted, first] = [[...table.rois.keys()][0] ?? 'nothing', dataset.samples[0]];
    throw new DataError(
      `${table.path}: no image of ${dataset.name} is in the table; it has '${wanted}', the first sample is '${first?.id}'`,
    );
  }
  let given = 0;
  const samples = dataset.samples.map((sample) => {
    const added = [...new Set(namesOf(sample))].flatMap((name) => table.rois.get(name) ?? []);
    if (added.length === 0) return sample;
    given++;
    return { ...sample, rois: [...(sample.rois ?? []), ...added] };
  });
  const unknown = table.rois.size - filesOf.size;
  const notes = [
    `${given} of ${samples.length} images have boxes from ${table.path}.`,
    ...(unknown ? [`${unknown} images of ${table.path} are not in the dataset.`] : []),
  ];
  return { ...dataset, samples, notes: [...dataset.notes, ...notes] };
}
