import { join } from 'node:path';
import { csv, picture, put } from './files';

const chexpertColumns =
  'Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,Lung Opacity,No Finding,' +
  'Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices';

/** Subject, study, dicom, view, part. The last image has no file, the one before it no report. */
const images = [
  ['10000032', '50414267', '02aa804e', 'PA', 'train'],
  ['10000032', '50414267', '174413ec', 'LATERAL', 'train'],
  ['10000032', '53189527', '2a2277a9', 'AP', 'train'],
  ['10000764', '57375967', '096052b7', 'AP', 'train'],
  ['10000898', '50771383', '8d0476be', 'PA', 'validate'],
  ['11000183', '51967845', '93681764', 'PA', 'test'],
  ['11000183', '51967845', '5e54fc9c', '', 'test'],
  ['11000416', '57084339', 'dafbb2a3', 'PA', 'test'],
  ['12000011', '59000001', 'aa000001', 'AP', 'train'],
  ['12000011', '59000002', 'aa000002', 'AP', 'train'],
] as const;

/** Study → report. Hard-wrapped, indented and blanked as the published ones; each has a trap of its own. */
const reports: Record<string, string> = {
  // Two sections of one name: the last wins.
  '50414267':
    '                                 FINAL REPORT\n EXAMINATION:  CHEST (PA AND LAT)\n \n FINDINGS: \n \n Dictated in error.\n \n COMPARISON:  ___.\n \n FINDINGS: \n \n There is no focal consolidation, pleural effusion or pneumothorax.  A 2.5 cm\n nodule is seen, previously ___ cm.\n \n IMPRESSION: \n \n No acute cardiopulmonary process.\n',
  // One section that is both.
  '53189527':
    '                                 FINAL REPORT\n CHEST, AP\n \n HISTORY:  ___-year-old male.\n \n FINDINGS AND IMPRESSION:  Mild edema. Discussed with Dr. ___ at\n 3 p.m. by phone.\n',
  // No findings.
  '57375967':
    '                                 FINAL REPORT\n INDICATION:  Cough.\n \n IMPRESSION:  1.  Small left effusion.\n 2.  Stable heart.\n',
  // No sections: the last paragraph.
  '50771383':
    '                                 FINAL REPORT\n PORTABLE CHEST OF ___\n \n COMPARISON STUDY:  ___.\n \n The lungs are clear\n and the heart is normal.\n',
  '51967845':
    ' FINAL REPORT\n FINDINGS:  Right pneumothorax, ___ ___.\n IMPRESSION:  Right apical pneumothorax of 1.2 cm, as above.\n',
  // A conclusion is an impression; what it says is blank.
  '57084339': ' FINAL REPORT\n FINDINGS:  Clear lungs.\n CONCLUSION:  ___.\n',
  '59000002': ' FINAL REPORT\n FINDINGS:  Never seen.\n',
};

/** Study → the 14 labels in the order of `chexpertColumns`. */
const labels: Record<string, string> = {
  '50414267': ',,0.0,,,,1.0,,,0.0,,,0.0,',
  '53189527': ',,,1.0,,,,,,,,,,',
  '57375967': '-1.0,,,,,,,,,1.0,,,,',
  '50771383': ',,,,,,,,1.0,,,,,',
  '51967845': ',,,,,,,,,,,,1.0,',
};

export interface MimicOptions {
  /** Pack the tables, as they are published. */
  gz?: boolean;
  /** Another folder for the reports, which are published apart. */
  reports?: string;
}

/** MIMIC-CXR-JPG 2.0.0 in small: 10 images of 6 subjects, none of a person. */
export async function miniatureMimicCxrJpg(
  folder: string,
  { gz = true, reports: reportFolder = folder }: MimicOptions = {},
) {
  const table = (kind: string, header: string, rows: string[]) =>
    put(join(folder, `mimic-cxr-2.0.0-${kind}.csv${gz ? '.gz' : ''}`), csv(header, rows));
  await table(
    'metadata',
    'dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime',
    images.map(
      ([subject, study, dicom, view]) =>
        `${dicom},${subject},${study},"CHEST (PA, LAT)",${view},40,32,21800506,213014.531`,
    ),
  );
  await table(
    'split',
    'dicom_id,study_id,subject_id,split',
    images.map(([subject, study, dicom, , part]) => `${dicom},${study},${subject},${part}`),
  );
  const studies = new Map(images.map(([subject, study]) => [study as string, subject as string]));
  const rows = Object.entries(labels).map(([study, cells]) => `${studies.get(study)},${study},${cells}`);
  await table('chexpert', `subject_id,study_id,${chexpertColumns}`, rows);
  await table('negbio', `subject_id,study_id,${chexpertColumns}`, rows.slice(0, 3));
  const at = (subject: string, study: string) => join('files', `p${subject.slice(0, 2)}`, `p${subject}`, `s${study}`);
  for (const [i, [subject, study, dicom]] of images.entries()) {
    if (dicom === 'aa000002') continue;
    await put(join(folder, at(subject, study), `${dicom}.jpg`), await picture('jpeg', 32, 40, i));
  }
  for (const [study, text] of Object.entries(reports))
    await put(join(reportFolder, `${at(studies.get(study)!, study)}.txt`), text);
}

/** Dicom, category, phrase, path, box. A phrase with two boxes, an image with two phrases, a box without area. */
const boxes = [
  ['02aa804e', 'Pneumonia', 'Opacity in the left lower lobe', [4, 20, 8, 10]],
  ['2a2277a9', 'Edema', 'mild bilateral edema', [2, 8, 10, 20]],
  ['2a2277a9', 'Edema', 'mild bilateral edema', [18, 9.5, 11, 19]],
  ['2a2277a9', 'Cardiomegaly', 'Heart is enlarged.', [8, 18, 16, 14]],
  ['dafbb2a3', 'Pneumothorax', 'Right apical pneumothorax', [3, 2, 9, 6]],
  ['dafbb2a3', 'Pneumothorax', 'Right apical pneumothorax', [30, 2, 0, 6]],
] as const;

/** MS-CXR in small, on images of the miniature MIMIC-CXR-JPG. Versions 0.1 and 1.0 have no split. */
export async function miniatureMsCxr(folder: string, { version = '1.0.0', format = 'csv' as 'csv' | 'json' } = {}) {
  const imageOf = new Map(
    images.map(([subject, study, dicom]) => [
      dicom as string,
      `files/p${subject.slice(0, 2)}/p${subject}/s${study}/${dicom}.jpg`,
    ]),
  );
  const split = version.startsWith('1.1') ? ['train', 'test', 'test', 'test', 'train', 'train'] : undefined;
  const path = join(folder, `MS_CXR_Local_Alignment_v${version}.${format}`);
  if (format === 'csv') {
    return put(
      path,
      csv(
        `dicom_id,category_name,label_text,path,x,y,w,h,image_width,image_height${split ? ',split' : ''}`,
        boxes.map(
          ([dicom, category, phrase, box], i) =>
            `${dicom},${category},${phrase},${imageOf.get(dicom)},${box.join(',')},32,40${split ? `,${split[i]}` : ''}`,
        ),
      ),
    );
  }
  const dicoms = [...new Set(boxes.map(([dicom]) => dicom as string))];
  const categories = [...new Set(boxes.map(([, category]) => category as string))];
  const coco = {
    info: { version },
    categories: categories.map((name, id) => ({ id, name, supercategory: 'Airspace opacity' })),
    images: dicoms.map((dicom, id) => ({
      id,
      file_name: `${dicom}.jpg`,
      path: imageOf.get(dicom),
      width: 32,
      height: 40,
      num_annotations: 1,
    })),
    annotations: boxes.map(([dicom, category, phrase, box], id) => ({
      id,
      image_id: dicoms.indexOf(dicom),
      category_id: categories.indexOf(category),
      bbox: box,
      label_text: phrase,
      ...(split && { split: split[id] }),
    })),
  };
  return put(path, JSON.stringify(coco));
}
