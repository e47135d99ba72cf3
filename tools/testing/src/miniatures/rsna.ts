import { join } from 'node:path';
import { dicomFile } from './dicom';
import { csv, picture, put, ramp } from './files';

/** Id, class, boxes. The last exam has no file. */
const exams = [
  ['0004cfab', 'No Lung Opacity / Not Normal', []],
  ['00313ee0', 'Normal', []],
  [
    '00436515',
    'Lung Opacity',
    [
      [6, 10, 12, 20],
      [38, 12.5, 14, 22],
    ],
  ],
  ['00704310', 'Lung Opacity', [[20, 30, 16, 9]]],
  ['008c19e8', 'Normal', []],
] as const;

/**
 * The RSNA Pneumonia Detection Challenge in small: 5 exams in 6 rows, files of 64 × 64 instead of 1024 × 1024: JPEG
 * as published, one of them uncompressed and MONOCHROME1.
 */
export async function miniatureRsnaPneumonia(folder: string) {
  const rows = exams.flatMap(([id, name, boxes]) =>
    boxes.length === 0
      ? [{ label: `${id},,,,,0`, kind: `${id},${name}` }]
      : boxes.map((box) => ({ label: `${id},${box.map((v) => v.toFixed(1)).join(',')},1`, kind: `${id},${name}` })),
  );
  await put(
    join(folder, 'stage_2_train_labels.csv'),
    csv(
      'patientId,x,y,width,height,Target',
      rows.map(({ label }) => label),
    ),
  );
  await put(
    join(folder, 'stage_2_detailed_class_info.csv'),
    csv(
      'patientId,class',
      rows.map(({ kind }) => kind),
    ),
  );
  const size = { Rows: 64, Columns: 64, ViewPosition: 'PA' };
  for (const [i, [id]] of exams.slice(0, 4).entries()) {
    const bytes =
      i === 1
        ? dicomFile({ ...size, PhotometricInterpretation: 'MONOCHROME1' }, ramp(64, 64, i))
        : dicomFile(size, [await picture('jpeg', 64, 64, i)], '1.2.840.10008.1.2.4.50');
    await put(join(folder, 'stage_2_train_images', `${id}.dcm`), bytes);
  }
}
