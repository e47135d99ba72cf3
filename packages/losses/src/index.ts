export {
  type CombinedLosses,
  type CombineLossesOptions,
  combineLosses,
  type LossWeighting,
  lossUncertainties,
} from './combine-losses';
export { type FilipOptions, filipLoss } from './filip';
export { type GloriaLocalOptions, gloriaLocalLoss } from './gloria';
export { type ImageRegionOptions, imageRegionLoss } from './image-region';
export { type InfoNceOptions, infoNce, infoNcePresets } from './info-nce';
export { logitScale, temperatureFrom } from './logit-scale';
export { type NegativeCaptionOptions, negativeCaptionLoss, negativeCaptionPresets } from './negative-caption';
export type { Directions, Learnable, Reduced, Reduction } from './options';
export { type CaptionIds, type RoiInfoNceOptions, roiInfoNce } from './roi-info-nce';
export { type SemanticMatchingOptions, semanticMatchingLoss } from './semantic-matching';
export { type SigmoidContrastiveOptions, sigmoidContrastive } from './sigmoid-contrastive';
export { type SoftTargetOptions, softTargetContrastive } from './soft-target';
export { type TokenAlignmentOptions, tokenAlignmentLoss } from './token-alignment';
export type { TokenNegatives } from './token-terms';
export { type WordRegionOptions, wordRegionLoss } from './word-region';
