import { readdir } from 'node:fs/promises';
import { join, parse } from 'node:path';
import { refuseLfsPointer } from './decode';
import { countNote, dropCounter, readSpreadsheet, requireColumns, requireRows } from './table';
import { DataError, type Dataset, type Sample } from './types';

const classes = { COVID: 3_616, Lung_Opacity: 6_012, Normal: 10_192, 'Viral Pneumonia': 1_345 } as const;

/** Lower-case stem → file name. The table writes `NORMAL-1` where the file is `Normal-1.png`. */
async function byStem(folder: string): Promise<Map<string, string>> {
  const names = await readdir(folder).catch((error) => {
    throw new DataError(`${folder}: cannot read the folder: ${error.message}`);
  });
  const stems = new Map<string, string>();
  for (const name of names) {
    const stem = parse(name).name.toLowerCase();
    const other = stems.get(stem);
    if (other !== undefined) throw new DataError(`${folder}: ${other} and ${name} differ by case or ending alone`);
    stems.set(stem, name);
  }
  return stems;
}

/**
 * COVID-19 Radiography Database (Chowdhury et al. 2020, Rahman et al. 2021): chest X-rays of four classes with lung masks.
 *
 * A sample per row of the four tables. `labels` has the four classes, 0 or 1; `meta` has `class`, `lungMask` (the path of
 * the mask), `url`. There are no reports (`text` is empty) and no patients: each image counts as a patient of its own.
 * File names are matched ignoring case, since the table and the files of Normal differ in it.
 *
 * @param folder holds `COVID`, `Lung_Opacity`, `Normal`, `Viral Pneumonia`, each with `images/` and `masks/`, and beside
 * them `COVID.metadata.xlsx` and the other three.
 * @throws {DataError} naming the file, the column, what was expected and the nearest name found; and if no row is left.
 */
export async function covid19Radiography(folder: string): Promise<Dataset> {
  const { dropped, drop } = dropCounter();
  const samples: Sample[] = [];
  const notes: string[] = [];
  let total = 0;
  for (const [name, published] of Object.entries(classes)) {
    const path = join(folder, `${name}.metadata.xlsx`);
    const table = await readSpreadsheet(path);
    requireColumns(path, table.columns, ['FILE NAME', 'FORMAT', 'SIZE', 'URL']);
    const images = await byStem(join(folder, name, 'images'));
    const masks = await byStem(join(folder, name, 'masks'));
    total += table.rows.length;
    let maskless = 0;
    const listed = new Set<string>();
    for (const row of table.rows) {
      const stem = String(row['FILE NAME']).trim().toLowerCase();
      const image = images.get(stem);
      const mask = masks.get(stem);
      if (listed.size === listed.add(stem).size) drop('image already in an earlier row');
      else if (image === undefined) drop('image file missing');
      else {
        if (mask === undefined) maskless += 1;
        samples.push({
          id: parse(image).name,
          patientId: parse(image).name,
          image: { kind: 'file', path: join(folder, name, 'images', image) },
          text: '',
          labels: Object.fromEntries(Object.keys(classes).map((other) => [other, other === name ? 1 : 0])),
          meta: { class: name, lungMask: mask && join(folder, name, 'masks', mask), url: row.URL },
        });
      }
    }
    const unlisted = [...images.keys()].filter((stem) => !listed.has(stem)).length;
    notes.push(...countNote(`Images of ${name}`, published, images.size));
    if (unlisted) notes.push(`${unlisted} images of ${name} are not in its table and are left out.`);
    if (maskless) notes.push(`${maskless} images of ${name} have no mask.`);
  }
  requireRows(folder, total, samples.length, dropped, 'unpack the images/ folders of all four classes');
  await refuseLfsPointer((samples[0]!.image as { path: string }).path);
  notes.push(
    'No patients are given: each image counts as a patient of its own, so a split may separate images of one patient.',
  );
  return { name: 'covid19-radiography', samples, counts: { rows: total, kept: samples.length, dropped }, notes };
}
