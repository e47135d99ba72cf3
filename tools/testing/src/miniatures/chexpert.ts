import { join } from 'node:path';
import { csv, picture, put } from './files';

const header =
  'Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,' +
  'Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices';

/** View, then the 14 labels. Of each of the five classes two rows count; the last five rows count for none. */
const rows = [
  ['Frontal,AP', ',,,,,,,,1.0,,,,,'],
  ['Frontal,PA', '0.0,,0.0,,,0.0,0.0,,1.0,,0.0,,,'],
  ['Frontal,AP', ',,1.0,,,,,,,,,,,'],
  ['Frontal,AP', ',,1.0,,,,,,,,,,,0.0'],
  ['Frontal,AP', ',,,,,,1.0,,,,,,,'],
  ['Frontal,AP', ',,,,,,1.0,,,,,,,'],
  ['Frontal,AP', ',,,,,1.0,,,,,,,,'],
  ['Frontal,PA', '1.0,,,,,1.0,,,,,,,,'],
  ['Frontal,AP', ',,,,,,,,,,1.0,,,'],
  ['Frontal,AP', ',,,,,,,,,,1.0,,,'],
  ['Lateral,', ',,,,,1.0,,,,,,,,'],
  ['Frontal,AP', ',,,,,1.0,,,-1.0,,,,,'],
  ['Frontal,AP', ',,,,,1.0,,,,,,,,1.0'],
  ['Frontal,AP', ',,,,,1.0,,,,,1.0,,,'],
  ['Frontal,AP', ',,,,,-1.0,,,,,,,,'],
] as const;

/** CheXpert-v1.0-small in small: 15 images for training, 1 for validation, none of a person. */
export async function miniatureChexpert(folder: string) {
  const lines = await Promise.all(
    rows.map(async ([view, labels], i) => {
      const path = `train/patient${String(i + 1).padStart(5, '0')}/study1/view1_${view.split(',')[0]!.toLowerCase()}.jpg`;
      await put(join(folder, path), await picture('jpeg', 24, 20, i));
      return `CheXpert-v1.0-small/${path},Female,${40 + i},${view},${labels}`;
    }),
  );
  await put(join(folder, 'train.csv'), csv(header, lines));
  const valid = 'valid/patient64541/study1/view1_frontal.jpg';
  await put(join(folder, valid), await picture('jpeg', 24, 20, 99));
  await put(
    join(folder, 'valid.csv'),
    csv(header, [
      `CheXpert-v1.0-small/${valid},Male,73,Frontal,AP,0.0,1.0,1.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0`,
    ]),
  );
}
