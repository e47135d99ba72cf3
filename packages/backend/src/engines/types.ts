/** Names `useBackend` knows. `'cuda'` is torch on a CUDA device or nothing; `'auto'` is the first that works. */
export type EngineName = 'auto' | 'torch' | 'cuda' | 'tensorflow' | 'wasm' | 'cpu' | 'webgpu' | 'webgl';

/** The engine in use. */
export interface Engine {
  /** `'torch'`, `'tensorflow'`, `'wasm'`, `'cpu'`, `'webgpu'` or `'webgl'`; also the tfjs backend's name. */
  name: string;
  /** Where the tensors live: `'cpu'`, `'cuda'` or `'gpu'` (a browser's). */
  device: string;
  /** Version of the library that computes. */
  version: string;
}

/**
 * The least that matrix products, convolutions and attention may be computed in: `'highest'` float32, `'high'` TF32,
 * `'medium'` bfloat16 with sums in float32. A permission: an engine that has no faster way is more exact.
 */
export type Precision = 'highest' | 'high' | 'medium';

/** Options of {@link useBackend}. */
export interface UseBackendOptions {
  /** For `'torch'` and `'cuda'`; the other engines compute in float32 always. Default `'highest'`. */
  precision?: Precision;
  /**
   * CPU threads of `'torch'`, for the thread of Node that asks; as many as before, at first one for each core. Small models
   * are faster with one thread, and replicas of the model in threads of their own.
   */
  threads?: number;
  /** Receives the one line in which `'auto'` says what it took and why not a better one. Default: stderr. */
  log?: (line: string) => void;
  /**
   * Where a browser fetches the `.wasm` files of tfjs-backend-wasm from: a folder's URL that ends in `/`, or a URL for
   * each file name. Node finds them itself.
   */
  wasmPaths?: string | Record<string, string>;
}
