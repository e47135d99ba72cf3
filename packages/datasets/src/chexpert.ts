import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { chexpertLabels, labelsOf } from './chexpert-labels';
import { refuseLfsPointer } from './decode';
import { countNote, dropCounter, FileLookup, mapLimited, readDelimited, requireColumns, requireRows } from './table';
import { DataError, type Dataset, type Sample } from './types';

/** Options of {@link chexpert}. */
export interface ChexpertOptions {
  /** Tables to read; `valid` is the one that radiologists labelled. */
  tables?: readonly ('train' | 'valid')[];
  /** Leave out side views. */
  frontalOnly?: boolean;
}

const columns = ['Path', 'Sex', 'Age', 'Frontal/Lateral', 'AP/PA', ...chexpertLabels];
const publishedRows = { train: 223_414, valid: 234 };

/** `CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg` starts with the name of the folder itself. */
const withoutRoot = (path: string) => path.slice(path.search(/(?:train|valid)\//));

/**
 * CheXpert (Irvin et al. 2019, arXiv 1901.07031): chest X-rays with 14 labels and no reports.
 *
 * `text` is empty. Labels are 1, 0 or −1 (uncertain); a blank is a label that is missing. `meta` has `view` (AP, PA, …),
 * `frontal`, `sex`, `age`. Rows without an image, and side views if asked for, are left out and counted.
 *
 * @param folder holds `train.csv`, `valid.csv` and the folders `train/` and `valid/`.
 * @param options `tables` both, `frontalOnly` false.
 * @throws {DataError} naming the file, the row or column, and what was expected; and if no row is left.
 */
export async function chexpert(
  folder: string,
  { tables = ['train', 'valid'], frontalOnly = false }: ChexpertOptions = {},
): Promise<Dataset> {
  const { dropped, drop } = dropCounter();
  const files = new FileLookup();
  const samples: Sample[] = [];
  const notes: string[] = [];
  let total = 0;
  for (const name of tables) {
    const path = join(folder, `${name}.csv`);
    const table = await readDelimited(path);
    requireColumns(path, table.columns, columns);
    total += table.rows.length;
    notes.push(...countNote(`Rows of ${name}.csv`, publishedRows[name], table.rows.length));
    const rows = table.rows as Record<string, string>[];
    const read = await mapLimited([...rows.entries()], async ([i, row]): Promise<Sample | string> => {
      const [, patient, study] = /(patient\d+)\/(study\d+)\//.exec(row.Path!) ?? [];
      if (!patient) {
        throw new DataError(
          `${path}: row ${i + 1}: Path: expected …/patient00001/study1/view1_frontal.jpg, got '${row.Path}'`,
        );
      }
      const frontal = row['Frontal/Lateral'] === 'Frontal';
      if (frontalOnly && !frontal) return 'side view';
      const id = withoutRoot(row.Path!);
      const file = join(folder, id);
      if (!(await files.has(file))) return 'image file missing';
      return {
        id,
        patientId: patient,
        studyId: `${patient}/${study}`,
        image: { kind: 'file', path: file },
        text: '',
        labels: labelsOf(row, `${path}: row ${i + 1}`),
        split: name,
        meta: { view: row['AP/PA'], frontal, sex: row.Sex, age: Number(row.Age) },
      };
    });
    for (const result of read) {
      if (typeof result === 'string') drop(result);
      else samples.push(result);
    }
  }
  const missing = await access(join(folder, 'train')).then(
    () => '',
    () => ` (there is no folder ${join(folder, 'train')})`,
  );
  requireRows(folder, total, samples.length, dropped, `give the folder that holds train.csv and train/${missing}`);
  await refuseLfsPointer((samples[0]!.image as { path: string }).path);
  const options = { tables, frontalOnly };
  return { name: 'chexpert', samples, counts: { rows: total, kept: samples.length, dropped }, notes, options };
}
