export { type Bootstrap, type BootstrapOptions, bootstrap, type PairedBootstrap, pairedBootstrap } from './bootstrap';
export { type Mask, type Matrix, MetricError, type Numbers } from './checks';
export { type ContrastToNoise, contrastToNoise } from './contrast-to-noise';
export {
  type CategorySummary,
  type GroundingRecord,
  type GroundingSummary,
  type MetricSummary,
  summarizeGrounding,
} from './grounding';
export { type Box, boxMask, resizeMap, type SizedMap } from './maps';
export { type PointingGame, pointingGame } from './pointing-game';
export { type DirectedRecall, type Id, type PrecisionAtK, precisionAtK, type RecallAtK, recallAtK } from './retrieval';
export {
  type PhraseMap,
  type Specificity,
  type SpecificityPair,
  type SpecificityShare,
  specificity,
  summarizeSpecificity,
} from './specificity';
