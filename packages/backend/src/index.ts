import './gradients';

export { EngineError } from './engines/error';
export type { TorchEngine } from './engines/torch';
export type { Engine, EngineName, Precision, UseBackendOptions } from './engines/types';
export { registerGradients } from './gradients/register';
export { useBackend } from './use-backend';
