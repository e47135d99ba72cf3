export { Bert, type BertOptions } from './bert';
export { Linear } from './linear';
export { Module } from './module';
export { ResNet, type ResNetOptions, resnet18, resnet34, resnet50, resnet101 } from './resnet';
export { type StateDict, StateDictError, type StateEntry } from './state';
export { wordFeatures } from './word-features';
