export {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsEntry,
  type SafetensorsInput,
  SafetensorsMap,
} from './codec';
export type { SafetensorsData, SafetensorsDtype } from './dtypes';
export { SafetensorsError } from './error';
export { readSafetensors, readSafetensorsMetadata, writeSafetensors } from './file';
