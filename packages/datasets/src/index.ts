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
export { type CovidChestxrayOptions, covidChestxray } from './covid-chestxray';
export { decodeImage, imageSize, isLfsPointer, loadImage } from './decode';
export { type PairColumn, type PairsOptions, pairsDataset } from './pairs';
export { type PhantomOptions, phantomChest } from './phantom';
export { type PhantomCategory, phantomCategories } from './phantom-lesions';
export { type Augment, type AugmentOptions, exposureJitter, toChannels } from './pixels';
export { type Random, randomStream } from './random';
export { resizeMap } from './resize-map';
export {
  applyManifest,
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
  type Finding,
  type ImageSource,
  type Raster,
  type Region,
  type Sample,
} from './types';
