import { join } from 'node:path';
import { csv, picture, put } from '@medalign/testing/miniatures';

const columns =
  'Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,Lung Opacity,No Finding,' +
  'Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices';
const column = { Atelectasis: 0, Cardiomegaly: 1, Consolidation: 2, Edema: 3, 'Pleural Effusion': 9 } as const;

/** Subject, labels that are 1, report. Of each of the five classes three studies are of it alone; the last two count for none. */
export const studies: readonly (readonly [string, readonly (keyof typeof column)[], string])[] = [
  ['10000001', ['Atelectasis'], 'Linear atelectasis at the left base. The heart size is normal.'],
  ['10000002', ['Atelectasis'], 'Bibasilar atelectatic changes. Atelectasis has resolved on the right.'],
  ['10000003', ['Atelectasis'], 'Subsegmental atelectasis, without effusion. Mild atelectasis, 2.5 cm.'],
  ['10000004', ['Cardiomegaly'], 'Moderate cardiomegaly. Lungs are clear.'],
  ['10000005', ['Cardiomegaly'], 'The heart is mildly enlarged.'],
  ['10000006', ['Cardiomegaly'], 'Moderate cardiomegaly. The cardiac silhouette is large.'],
  ['10000007', ['Consolidation'], 'Dense consolidation of the right lower lobe.'],
  ['10000008', ['Consolidation'], 'Consolidation or atelectasis. New left consolidation.'],
  ['10000009', ['Consolidation'], 'Focal consolidative change in the mid lung. No effusion.'],
  ['10000010', ['Edema'], 'Mild interstitial edema.'],
  ['10000011', ['Edema'], 'Mild interstitial EDEMA. Pulmonary vascular congestion.'],
  ['10000012', ['Edema'], 'Alveolar edema with cardiomegaly. Worse edema since then.'],
  ['10000013', ['Pleural Effusion'], 'Small left effusion.'],
  ['10000014', ['Pleural Effusion'], 'Layering pleural fluid on the right. 1. Stable.'],
  ['10000015', ['Pleural Effusion'], 'Large pleural effusion. There is no pneumothorax.'],
  ['10000016', ['Edema', 'Pleural Effusion'], 'Severe edema. Moderate effusion.'],
  ['10000017', [], 'Clear lungs.'],
];

/** The sentences of them that are of one class alone. */
export const sentencesOf: Record<string, readonly string[]> = {
  Atelectasis: ['Linear atelectasis at the left base.', 'Bibasilar atelectatic changes.', 'Mild atelectasis, 2.5 cm.'],
  Cardiomegaly: ['Moderate cardiomegaly.', 'The heart is mildly enlarged.', 'The cardiac silhouette is large.'],
  Consolidation: [
    'Dense consolidation of the right lower lobe.',
    'New left consolidation.',
    'Focal consolidative change in the mid lung.',
  ],
  Edema: ['Mild interstitial edema.', 'Pulmonary vascular congestion.', 'Worse edema since then.'],
  'Pleural Effusion': ['Small left effusion.', 'Layering pleural fluid on the right.', 'Large pleural effusion.'],
};

export const dicomOf = (subject: string) => `d${subject}`;

/** MIMIC-CXR-JPG in small, with what a gallery of five classes needs: one image and one report of each subject. */
export async function mimicOfFiveClasses(folder: string, { without = [] as readonly string[] } = {}) {
  const own = studies.filter(([, labels]) => !labels.some((name) => without.includes(name)));
  const table = (kind: string, header: string, rows: string[]) =>
    put(join(folder, `mimic-cxr-2.0.0-${kind}.csv`), csv(header, rows));
  await table(
    'metadata',
    'dicom_id,subject_id,study_id,ViewPosition,Rows,Columns,StudyDate',
    own.map(([subject]) => `${dicomOf(subject)},${subject},5${subject},PA,40,32,21800506`),
  );
  await table(
    'split',
    'dicom_id,study_id,subject_id,split',
    own.map(([subject], i) => `${dicomOf(subject)},5${subject},${subject},${['train', 'validate', 'test'][i % 3]}`),
  );
  await table(
    'chexpert',
    `subject_id,study_id,${columns}`,
    own.map(([subject, labels]) => {
      const cells = columns.split(',').map((_, i) => (labels.some((name) => column[name] === i) ? '1.0' : ''));
      return `${subject},5${subject},${cells}`;
    }),
  );
  for (const [i, [subject, , report]] of own.entries()) {
    const study = join(folder, 'files', `p${subject.slice(0, 2)}`, `p${subject}`, `s5${subject}`);
    await put(join(study, `${dicomOf(subject)}.jpg`), await picture('jpeg', 32, 40, i));
    await put(`${study}.txt`, ` FINAL REPORT\n FINDINGS:  ${report}\n`);
  }
}
