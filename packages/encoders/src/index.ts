export { Bert, type BertOptions } from './bert';
export { BatchNorm } from './layers';
export { Linear } from './linear';
export { Module } from './module';
export { ResNet, type ResNetOptions, resnet18, resnet34, resnet50, resnet101 } from './resnet';
export { type StateDict, StateDictError, type StateEntry } from './state';
export { createTokenizer, type EncodedTexts, type EncodeOptions, loadTokenizer, type Tokenizer } from './tokenizer';
export { buildVocabulary } from './vocabulary';
export { wordFeatures } from './word-features';
