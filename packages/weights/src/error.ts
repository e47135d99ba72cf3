/** Weights that cannot be read or written. The message names the file, the tensor, what is wrong and what to do. */
export class WeightsError extends Error {
  override readonly name: string = 'WeightsError';
  /** The system's code where it was the system that failed: `ENOENT`, `ENOSPC`, … */
  declare code?: string;
}

/** A safetensors file that cannot be read or written. */
export class SafetensorsError extends WeightsError {
  override readonly name = 'SafetensorsError';
}

/** A PyTorch checkpoint that cannot be read, or that asks for more than tensors. */
export class CheckpointError extends WeightsError {
  override readonly name = 'CheckpointError';
}

/** The kind of error that a reader throws. */
export type ErrorKind = new (message: string, options?: ErrorOptions) => WeightsError;

/** A name as messages quote it: short and on one line, whatever a file puts there. */
export function quoted(name: string): string {
  const text = JSON.stringify(name.slice(0, 80)).slice(1, -1).replaceAll('\\"', '"');
  return `'${text}${name.length > 80 ? '…' : ''}'`;
}

/** A value of a header as messages show it. Short, and not recursive: a header may nest deeper than the stack. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return `"${quoted(value).slice(1, -1)}"`;
  if (Array.isArray(value)) {
    const items = value.slice(0, 8).map((item) => (Array.isArray(item) ? '[…]' : shown(item)));
    return `[${items.join(',')}${value.length > 8 ? ',…' : ''}]`;
  }
  return typeof value === 'object' && value !== null ? '{…}' : String(value);
}

/** Whether a value is a list of sizes: whole numbers from 0 that are exact. */
export function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0 && !Object.is(size, -0));
}
