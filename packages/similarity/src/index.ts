export {
  checkChoice,
  checkGradients,
  checkNumber,
  checkShape,
  type Dimensions,
  OptionError,
  ShapeError,
} from './checks';
export { type CoImportance, type CoImportanceOptions, type CoImportanceWeighting, coImportance } from './co-importance';
export { l2Normalize } from './l2-normalize';
export { lateInteraction } from './late-interaction';
export { maskedSoftmax } from './masking';
export {
  pairwiseSimilarity,
  type ScalarLike,
  type SimilarityKind,
  type SimilarityOptions,
  wordPixelSimilarity,
} from './pairwise';
export { type Attention, type RefinedWeights, type RegionOptions, refinedSimilarity, regionFeatures } from './regions';
