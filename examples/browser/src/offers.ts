import type { Offers } from './engine-names';

/** Asks the browser. */
export async function browserOffers(): Promise<Offers> {
  const { gpu } = navigator as Navigator & { gpu?: { requestAdapter(): Promise<object | null> } };
  return {
    wasm: typeof WebAssembly === 'object',
    webgl2: document.createElement('canvas').getContext('webgl2') !== null,
    secure: isSecureContext,
    gpuAdapter: gpu && (await gpu.requestAdapter().catch(() => null)),
  };
}
