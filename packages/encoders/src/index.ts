export type { Activation } from './activation';
export { AnswerHead, type AnswerHeadOptions, type AnswerInputs } from './answer-head';
export { Bert, type BertOptions } from './bert';
export type { Configuration } from './configuration';
export { type Encoders, fromPretrained, type PretrainedOptions } from './from-pretrained';
export { BatchNorm } from './layers';
export { Linear } from './linear';
export type { LoadPolicy, LoadReport } from './load-state';
export { loadTokenizer } from './load-tokenizer';
export { inMicroBatches, type MicroBatch } from './micro-batches';
export { type FrozenNorm, Module } from './module';
export type { NamePattern } from './patterns';
export type { Interpolation } from './position-embedding';
export { ProjectionHead, type ProjectionHeadOptions } from './projection-head';
export { recompute } from './recompute';
export { ResNet, type ResNetOptions, resnet18, resnet34, resnet50, resnet101 } from './resnet';
export { type StateDict, StateDictError, type StateEntry } from './state';
export {
  createTokenizer,
  type EncodedTexts,
  type EncodeOptions,
  type Tokenizer,
  type TokenizerOptions,
} from './tokenizer';
export {
  VisionTransformer,
  type VisionTransformerOptions,
  vitBase,
  vitLarge,
  vitSmall,
} from './vision-transformer';
export { buildVocabulary } from './vocabulary';
export { wordFeatures } from './word-features';
