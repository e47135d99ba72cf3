export { miniatureChexpert } from './chexpert';
export { miniatureCovid19Radiography } from './covid19';
export { type DicomAttributes, dicomFile } from './dicom';
export { csv, picture, put, ramp } from './files';
export { type MimicOptions, miniatureMimicCxrJpg, miniatureMsCxr } from './mimic';
export { miniatureRsnaPneumonia } from './rsna';
export { miniatureSlake } from './slake';
