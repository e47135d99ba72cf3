export { type Accuracy, accuracy, imageAccuracy } from './accuracy';
export { type Auroc, auroc, type MacroAuroc, macroAuroc } from './auroc';
export { type Bootstrap, type BootstrapOptions, bootstrap, type PairedBootstrap, pairedBootstrap } from './bootstrap';
export { type Mask, type Matrix, MetricError, type Numbers } from './checks';
export { type ContrastToNoise, contrastToNoise } from './contrast-to-noise';
export { type FewShotProbe, fewShotProbe, type LabelledFeatures } from './few-shot';
export {
  type CategorySummary,
  type GroundingRecord,
  type GroundingSummary,
  type MetricSummary,
  summarizeGrounding,
} from './grounding';
export { type LogisticRegression, logisticRegression } from './logistic-regression';
export { type Box, boxMask, resizeMap, type SizedMap } from './maps';
export { type MeanIoU, meanIoU } from './mean-iou';
export { type MetricInfo, metricInfo } from './metric-info';
export { dice, intersectionOverUnion, type Overlap, pixelAccuracy } from './overlap';
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
export {
  applyThreshold,
  type ChosenThreshold,
  type ThresholdOptions,
  ThresholdSweep,
  thresholdFromValidation,
} from './threshold';
export { type VqaAccuracy, type VqaRecord, vqaAccuracy } from './vqa';
export { type WrongPhraseControl, wrongPhraseControl } from './wrong-phrase';
export { type PromptEnsemble, promptEnsemble, type ZeroShotScores, zeroShotScores } from './zero-shot';
