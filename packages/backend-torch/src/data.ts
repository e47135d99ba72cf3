import type * as tf from '@tensorflow/tfjs-core';
import type { NativeDType } from './native';

/** What lies behind a tfjs dataId: a slot of the addon, or what no addon holds. */
export class TorchData {
  refCount = 1;
  /** Slots of the same values under other shapes. */
  views: { shape: number[]; slot: number }[] | undefined;
  /** The values are known to lie in the order of the shape. */
  compact = false;
  freed = false;

  constructor(
    /** −1 for strings, complex numbers, and numbers that were never needed as a tensor. */
    readonly slot: number,
    /** The slot's own shape; a tensor over it may have another one. */
    readonly shape: number[],
    readonly dtype: NativeDType | 'string' | 'complex64',
    readonly strings?: tf.backend_util.BackendValues,
    /** A rank-0 value, which stays here. */
    readonly value?: number,
    readonly parts?: { real: tf.TensorInfo; imag: tf.TensorInfo },
  ) {}
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
