/** What the compiled addon exports; see native/addon.cpp. */
export interface Native {
  /** Version of libtorch whose headers it was compiled with. */
  version: string;
  /** Chooses the device and where arguments and results are exchanged; returns the names of the kernels by number. */
  start(device: string, input: Float64Array, output: Float64Array): string[];
  /** Runs kernel number `op` on the arguments in `input`; the number of results in `output`. */
  run(op: number): number;
  /** A tensor of these values, its shape in `output`; returns its slot. */
  write(values: Float32Array | Int32Array | Uint8Array, rank: number, dtype: number): number;
  /** Copies a slot's values, in the order of its shape. */
  read(slot: number, into: Float32Array | Int32Array | Uint8Array): void;
  /** The same without waiting for the device; CUDA builds only. */
  readAsync?<T extends Float32Array | Int32Array | Uint8Array>(slot: number, into: T): Promise<T>;
  release(slot: number): void;
  /** Brings a slot's values into the order of its shape, if it is a view in another order. */
  compact(slot: number): void;
  /** 0: float32, 1: TF32, 2: bfloat16. */
  setPrecision(level: number): void;
  /** CPU threads for the kernels that this thread of Node calls. */
  setThreads(count: number): void;
  /** How many CUDA devices there are; before `start` too. */
  devices(): number;
  /** Writes tensors, bytes and threads to `output`. */
  state(): void;
}

/** Numbers that one call may pass or return. */
export const CAPACITY = 1 << 20;

/** dtypes by their number in the addon. */
export const DTYPES = ['float32', 'int32', 'bool'] as const;
export type NativeDType = (typeof DTYPES)[number];

/** An array of so many zeros, or of these values. */
export function arrayOf(dtype: NativeDType, values: number | ArrayLike<number>) {
  const Type = dtype === 'float32' ? Float32Array : dtype === 'int32' ? Int32Array : Uint8Array;
  return new Type(values as ArrayLike<number>);
}
