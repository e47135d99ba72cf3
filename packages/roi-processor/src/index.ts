export type { Box } from './boxes';
export { type CropOptions, cropRois } from './crop-rois';
export { encodeBoxes } from './encode-boxes';
export { type PaddedRois, padRois } from './pad-rois';
export { type RoiAlignOptions, roiAlign } from './roi-align';
export { type FusedRois, type RoiInputs, RoiProcessor, type RoiProcessorOptions } from './roi-processor';
export type { Aspect } from './sampling';
export type { Size } from './size';
