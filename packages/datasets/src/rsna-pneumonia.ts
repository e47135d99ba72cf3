import { join } from 'node:path';
import { refuseLfsPointer } from './decode';
import { sklearnSplit } from './numpy-split';
import { countNote, dropCounter, FileLookup, mapLimited, readDelimited, requireColumns, requireRows } from './table';
import { type Box, DataError, type Dataset, type DicomOptions, type Finding, type Sample } from './types';

/** Options of {@link rsnaPneumonia}. */
export interface RsnaPneumoniaOptions {
  /** How the DICOM files become pixels. */
  dicom?: DicomOptions;
  /** The phrase that stands for the finding: the set has no reports. */
  phrase?: string;
  /** Set `Sample.split` to the 70 / 15 / 15 split of GLoRIA and MGCA. */
  split?: 'gloria';
}

const classes = ['Normal', 'No Lung Opacity / Not Normal', 'Lung Opacity'];

/** Rows of one exam: its boxes, none if the target is 0. */
function boxOf(row: Record<string, string>, where: string): Box | undefined {
  const { x, y, width, height, Target } = row;
  const cells = [x!, y!, width!, height!].map((cell) => cell.trim());
  if (Target === '0' && cells.every((cell) => cell === '')) return undefined;
  const [left, top, wide, high] = cells.map(Number);
  if (
    Target !== '1' ||
    cells.includes('') ||
    !(wide! > 0 && high! > 0) ||
    !Number.isFinite(left! + top! + wide! + high!)
  ) {
    throw new DataError(
      `${where}: expected Target 0 without a box or Target 1 with one, got Target ${Target} and '${cells.join("', '")}'`,
    );
  }
  return { x: left!, y: top!, width: wide!, height: high! };
}

/** Row of the parts, as GLoRIA and MGCA make them: ids in order, 30 % held out, one half of it for testing. */
function gloriaSplit(ids: readonly string[]): Map<string, string> {
  const { train, test: rest } = sklearnSplit(ids, 0.15 * 2, 0);
  const { train: test, test: validate } = sklearnSplit(rest, 0.5, 0);
  return new Map(
    Object.entries({ train, validate, test }).flatMap(([name, part]) => part.map((id) => [id, name] as const)),
  );
}

/**
 * RSNA Pneumonia Detection Challenge (Shih et al. 2019): chest X-rays in DICOM with boxes around opacities.
 *
 * The table has a row per box; rows of one id form one sample. `labels` has `Pneumonia` (the target), `meta.class` one of
 * Normal, No Lung Opacity / Not Normal, Lung Opacity. Boxes are in pixels of the 1024² image. There are no reports: `text`
 * is empty, and a finding's phrase is the option's. An id names an exam; which exams are of one person is not in the files.
 *
 * @param folder holds `stage_2_train_labels.csv`, `stage_2_detailed_class_info.csv` and `stage_2_train_images/<id>.dcm`.
 * @param options `dicom` as `decodeDicom`; `phrase` pneumonia; `split` none.
 * @throws {DataError} naming the file, the row or column, and what was expected; and if no row is left.
 */
export async function rsnaPneumonia(
  folder: string,
  { dicom, phrase = 'pneumonia', split }: RsnaPneumoniaOptions = {},
): Promise<Dataset> {
  const path = join(folder, 'stage_2_train_labels.csv');
  const table = await readDelimited(path);
  requireColumns(path, table.columns, ['patientId', 'x', 'y', 'width', 'height', 'Target']);
  const classPath = join(folder, 'stage_2_detailed_class_info.csv');
  const classTable = await readDelimited(classPath);
  requireColumns(classPath, classTable.columns, ['patientId', 'class']);
  const classOf = new Map((classTable.rows as Record<string, string>[]).map((row) => [row.patientId!, row.class!]));
  const unknown = [...classOf].find(([, name]) => !classes.includes(name));
  if (unknown)
    throw new DataError(
      `${classPath}: ${unknown[0]}: class: expected one of ${classes.join(', ')}, got '${unknown[1]}'`,
    );

  const boxesOf = new Map<string, Box[]>();
  const targetOf = new Map<string, string>();
  (table.rows as Record<string, string>[]).forEach((row, i) => {
    const where = `${path}: row ${i + 1}`;
    const id = row.patientId!;
    const box = boxOf(row, where);
    if ((targetOf.get(id) ?? row.Target) !== row.Target) throw new DataError(`${where}: ${id} has Target 0 and 1`);
    targetOf.set(id, row.Target!);
    boxesOf.set(id, [...(boxesOf.get(id) ?? []), ...(box ? [box] : [])]);
  });
  const splitOf = split && gloriaSplit([...boxesOf.keys()].sort());
  const { dropped, drop } = dropCounter();
  const files = new FileLookup();
  const read = await mapLimited([...boxesOf], async ([id, boxes]): Promise<Sample | string> => {
    const file = join(folder, 'stage_2_train_images', `${id}.dcm`);
    const kind = classOf.get(id);
    if (kind === undefined) return 'not in stage_2_detailed_class_info.csv';
    if (!(await files.has(file))) return 'image file missing';
    const findings = boxes.map((box): Finding => ({ category: 'Lung Opacity', phrase, box, boxes: [box] }));
    return {
      id,
      patientId: id,
      image: { kind: 'file', path: file, ...(dicom && { dicom }) },
      text: '',
      findings,
      labels: { Pneumonia: Number(targetOf.get(id)) },
      ...(splitOf && { split: splitOf.get(id)! }),
      meta: { class: kind },
    };
  });
  for (const result of read) if (typeof result === 'string') drop(result);
  const samples = read.filter((result) => typeof result !== 'string');
  requireRows(path, boxesOf.size, samples.length, dropped, 'unpack stage_2_train_images next to the table');
  await refuseLfsPointer((samples[0]!.image as { path: string }).path);
  const opaque = samples.filter(
    ({ labels, meta }) => (labels!.Pneumonia === 1) !== (meta!.class === 'Lung Opacity'),
  ).length;
  return {
    name: 'rsna-pneumonia',
    samples,
    counts: { rows: boxesOf.size, kept: samples.length, dropped },
    notes: [
      `${boxesOf.size} exams in ${table.rows.length} rows.`,
      ...countNote('Exams', 26_684, boxesOf.size),
      ...countNote('Rows', 30_227, table.rows.length),
      ...(opaque ? [`${opaque} exams have a target that does not go with their class.`] : []),
      ...(split && boxesOf.size !== 26_684
        ? ['The split is made as the published one, from other ids: it is not the published one.']
        : []),
      'An id names an exam, not a person: a split by patient cannot keep exams of one person together.',
    ],
    options: { dicom: dicom ?? {}, phrase, ...(split && { split }) },
  };
}
