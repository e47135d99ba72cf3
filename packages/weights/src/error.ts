/** A safetensors file that cannot be read or written. The message names the tensor, what is wrong and what to do. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError';
}
