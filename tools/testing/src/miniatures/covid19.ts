import { join } from 'node:path';
import writeSpreadsheet from 'write-excel-file/node';
import { picture, put } from './files';

/** Folder, and how its table writes the names: Normal in capitals. */
const classes = [
  ['COVID', 'COVID'],
  ['Lung_Opacity', 'Lung_Opacity'],
  ['Normal', 'NORMAL'],
  ['Viral Pneumonia', 'Viral Pneumonia'],
] as const;

/** The COVID-19 Radiography Database in small: two images and masks of each class. COVID lists a third that is not there. */
export async function miniatureCovid19Radiography(folder: string) {
  for (const [i, [name, written]] of classes.entries()) {
    for (const number of [1, 2]) {
      const file = `${name}-${number}.png`;
      await put(join(folder, name, 'images', file), await picture('png', 30, 30, 10 * i + number));
      await put(join(folder, name, 'masks', file), await picture('png', 26, 26, 100));
    }
    const numbers = name === 'COVID' ? [1, 2, 3] : [1, 2];
    const rows = numbers.map((n) => [`${written}-${n}`, 'PNG', '256*256', `https://example.org/${n}`]);
    const cells = [['FILE NAME', 'FORMAT', 'SIZE', 'URL'], ...rows].map((row) => row.map((value) => ({ value })));
    await writeSpreadsheet(cells).toFile(join(folder, `${name}.metadata.xlsx`));
  }
}
