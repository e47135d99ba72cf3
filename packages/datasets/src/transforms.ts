// What turns pixels into a model's input and maps back, without readers, decoders and files: runs in browsers.
export { resizeArea } from './area';
export { type ModelInput, type ModelInputOptions, modelInput, type Normalization } from './model-input';
export { type Augment, type AugmentOptions, exposureJitter, toChannels } from './pixels';
export { type Random, randomStream } from './random';
export { resizeMap } from './resize-map';
export { type Placement, type ResizePadCropOptions, resizePadCrop, type Transform } from './transform';
export { type Box, DataError, type Raster } from './types';
