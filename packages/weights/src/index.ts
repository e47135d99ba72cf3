export { decodeSafetensors, type SafetensorsEntry, SafetensorsMap } from './decode';
export type { SafetensorsData, SafetensorsDtype } from './dtypes';
export { encodeSafetensors, type SafetensorsInput, type SafetensorsOptions } from './encode';
export { SafetensorsError } from './error';
export { readSafetensors, readSafetensorsMetadata } from './read-file';
export { writeSafetensors } from './write-file';
