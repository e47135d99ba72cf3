import { EngineError } from '../engines/error';

/** What of the compiled module takes part in running out of memory. */
export interface WasmModule {
  _malloc(bytes: number): number;
  HEAPU8: Uint8Array;
  onAbort?: (what: unknown) => void;
}

const watched = new WeakSet<WasmModule>();
const megabytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MB`;

/**
 * Makes running out of memory an error that says so. The module's own allocator returns 0, which tfjs takes for an
 * address and overwrites what lies there; and inside a kernel the module aborts without a word.
 */
export function reportExhaustion(module: WasmModule): void {
  if (watched.has(module)) return;
  watched.add(module);
  const allocate = module._malloc.bind(module);
  const exhausted = (asked: string) =>
    new EngineError(
      'wasm',
      `out of memory: ${asked}, with ${megabytes(module.HEAPU8.length)} in use of the 4096 MB that WebAssembly can address`,
      'smaller batches, images or models, tf.tidy around what is not needed any more, or an engine without this limit (tensorflow, torch)',
    );
  module._malloc = (bytes) => {
    const at = allocate(bytes);
    if (at === 0 && bytes > 0) throw exhausted(`${megabytes(bytes)} more were asked for`);
    return at;
  };
  module.onAbort = (what) => {
    throw exhausted(`a kernel stopped${what ? ` (${what})` : ''}`);
  };
}
