export { TorchError } from './error';
export { fallbacks } from './kernels/fallback';
export {
  type Precision,
  registerTorch,
  setPrecision,
  type TorchDescription,
  type TorchOptions,
} from './register-torch';
