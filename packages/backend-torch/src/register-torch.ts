import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { TorchBackend } from './backend';
import { Call } from './call';
import { TorchError } from './error';
import { registerKernels } from './kernels/register';
import { loadNative } from './load';
import type { Native } from './native';

/** What matrix products, convolutions and attention are computed in. */
export type Precision = 'highest' | 'high' | 'medium';

/** Options of {@link registerTorch}: device, threads, precision. */
export interface TorchOptions {
  /** `'cpu'`, `'cuda'` or `'cuda:1'`; CUDA if there is one. */
  device?: string;
  /** CPU threads, for the kernels that this thread of Node calls; as many as before, at first libtorch's choice (one for each core). */
  threads?: number;
  /** See {@link setPrecision}; `'highest'`. */
  precision?: Precision;
}

/** The engine that was registered. */
export interface TorchDescription {
  device: string;
  /** Version of libtorch. */
  version: string;
}

let native: Native | undefined;
let registered: { call: Call; description: TorchDescription } | undefined;

/**
 * Loads the addon, registers tfjs's backend `torch` and all its kernels. `useBackend('torch')` of `@medalign/backend`
 * calls it; alone it is followed by `tf.setBackend('torch')`.
 *
 * @throws {TorchError} if the addon is not built or does not fit libtorch any more, if the device is not there, or if the
 *   engine runs on another device already.
 * @example
 * // what it runs on, or why it does not: not built yet, libtorch gone, …
 * const engine = await registerTorch().catch((error) => error.message);
 * if (engine.device) await tf.setBackend('torch');
 */
export async function registerTorch({ device, threads, precision }: TorchOptions = {}): Promise<TorchDescription> {
  if (device && !/^(cpu|cuda(:\d+)?)$/.test(device))
    throw new TorchError(`device: expected 'cpu', 'cuda' or 'cuda:1', got '${device}'`);
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0))
    throw new TorchError(`threads: expected a whole number above 0, got ${threads}`);
  native ??= loadNative().native;
  const devices = native.devices();
  const wanted = device ?? registered?.description.device ?? (devices > 0 ? 'cuda' : 'cpu');
  const index = wanted === 'cpu' ? -1 : Number(wanted.split(':')[1] ?? 0);
  if (index >= devices)
    throw new TorchError(
      `libtorch ${native.version} sees ${devices === 0 ? 'no' : `only ${devices}`} CUDA device${devices > 1 ? 's' : ''}`,
    );
  if (!registered) {
    const call = new Call(native, { device: wanted === 'cuda' ? 'cuda:0' : wanted });
    registerKernels(call);
    tf.registerBackend('torch', () => new TorchBackend(call), 5);
    registered = { call, description: { device: wanted, version: native.version } };
  }
  const { description } = registered;
  if (wanted !== description.device)
    throw new TorchError(`runs on ${description.device} in this process, and '${wanted}' was asked for`);
  if (precision) setPrecision(precision);
  if (threads) native.setThreads(threads);
  return description;
}

const LEVELS: Precision[] = ['highest', 'high', 'medium'];

/**
 * Chooses what matrix products, convolutions and attention are computed in; everything else stays float32.
 *
 * - `'highest'`: float32 (24 bits of mantissa)
 * - `'high'`: TF32 inside, on GPUs that have it (11 bits, float32's range); the same as `'highest'` elsewhere
 * - `'medium'`: operands rounded to bfloat16 (8 bits, float32's range), sums in float32
 *
 * @throws {TorchError} before {@link registerTorch}, or for another word.
 */
export function setPrecision(precision: Precision): void {
  const level = LEVELS.indexOf(precision);
  if (level < 0) throw new TorchError(`precision: expected ${LEVELS.join(', ')}, got '${precision}'`);
  if (!registered)
    throw new TorchError('setPrecision: the engine is not registered yet', 'await registerTorch() first');
  registered.call.native.setPrecision(level);
}
