export { resizeArea } from './area';
export {
  type Batch,
  type BatchOptions,
  batchCount,
  batches,
  type CachedImage,
  epochOrder,
  ImageCache,
  type SkippedSample,
} from './batches';
export { type ChexpertOptions, chexpert } from './chexpert';
export { type ChexpertLabel, chexpertLabels } from './chexpert-labels';
export { captionId, cleanText, isNoFinding, noFinding } from './clean-text';
export { type CovidChestxrayOptions, covidChestxray } from './covid-chestxray';
export { covid19Radiography } from './covid19-radiography';
export { decodeImage, imageSize, isLfsPointer, loadImage } from './decode';
export { type DescriptorVocabulary, descriptorVocabulary } from './descriptor-vocabulary';
export { type DicomImage, readDicom } from './dicom';
export type { LookupTable } from './dicom-header';
export { decodeDicom } from './dicom-raster';
export {
  type FiveBy200Manifest,
  type FiveBy200Options,
  type FiveClass,
  fiveBy200,
  fiveClasses,
} from './five-by-200';
export { givenSplit } from './given-split';
export { type HardNegativeOptions, hardNegatives } from './hard-negatives';
export { type MedRegionOptions, type MedRegionText, medRegion } from './medregion';
export {
  type MedRegionDataset,
  type MedRegionModality,
  type MedRegionProblem,
  type MedRegionProblemKind,
  type MedRegionSample,
  type MedRegionWarningKind,
  medRegionModalities,
} from './medregion-types';
export { type MedRegionReport, validateMedRegion } from './medregion-validate';
export { writeMedRegion } from './medregion-write';
export { type MimicCxrJpgOptions, mimicCxrJpg, patientIds } from './mimic-cxr-jpg';
export { type ModelInput, type ModelInputOptions, modelInput, type Normalization } from './model-input';
export { type MsCxrOptions, msCxr } from './ms-cxr';
export { type PairColumn, type PairsOptions, pairsDataset } from './pairs';
export { type PhantomOptions, phantomChest } from './phantom';
export { type PhantomCategory, phantomCategories } from './phantom-lesions';
export { type PhantomMedRegionOptions, phantomMedRegion } from './phantom-region';
export { type Augment, type AugmentOptions, exposureJitter, toChannels } from './pixels';
export { type ProposeRoisOptions, proposeRois } from './propose-rois';
export { type Random, randomStream } from './random';
export { type ReportPart, type ReportText, type ReportTextOptions, reportParts, reportText } from './report-text';
export { resizeMap } from './resize-map';
export { type RoiTable, type RoiTableOptions, readRois, withRois } from './roi-table';
export { type RsnaPneumoniaOptions, rsnaPneumonia } from './rsna-pneumonia';
export { type SlakeOptions, slake } from './slake';
export {
  applyManifest,
  checkSameSplit,
  patientHash,
  readManifest,
  type Split,
  type SplitManifest,
  type SplitName,
  type SplitOptions,
  splitByPatient,
  splitNames,
  writeManifest,
} from './split';
export { reportSections, sentences } from './text';
export { type Placement, type ResizePadCropOptions, resizePadCrop, type Transform } from './transform';
export {
  type Box,
  DataError,
  type Dataset,
  type DicomOptions,
  type Finding,
  type ImageSource,
  type Raster,
  type Region,
  type Roi,
  type Sample,
} from './types';
export { normalizeAnswer, type VqaDataset, type VqaSample } from './vqa';
export { vqaRad } from './vqa-rad';
