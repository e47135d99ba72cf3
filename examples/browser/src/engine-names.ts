/** In the order of the selector. */
export const engineNames = ['wasm', 'webgl', 'webgpu', 'cpu'] as const;
export type EngineName = (typeof engineNames)[number];

/** Why an engine cannot be used, by its name. */
export type Reasons = Partial<Record<EngineName, string>>;

/** What a browser offers, as far as this page needs to know. */
export interface Offers {
  wasm: boolean;
  webgl2: boolean;
  secure: boolean;
  /** The adapter of WebGPU: undefined without WebGPU, null where there is no graphics card for it. */
  gpuAdapter: object | null | undefined;
}

/** The engines that this browser lacks, and why. */
export function missingEngines({ wasm, webgl2, secure, gpuAdapter }: Offers): Reasons {
  const reasons: Reasons = {};
  if (!wasm) reasons.wasm = 'this browser has no WebAssembly';
  if (!webgl2) reasons.webgl = 'this browser has no WebGL 2, or no graphics card for it';
  if (!gpuAdapter) {
    reasons.webgpu =
      gpuAdapter === null
        ? 'this browser finds no graphics card for WebGPU'
        : secure
          ? 'this browser has no WebGPU'
          : 'WebGPU needs a secure page: https, or localhost';
  }
  return reasons;
}

/** What to go on with when an engine fails: nothing after `cpu`. */
export function nextEngine(reasons: Reasons): EngineName | undefined {
  return (['wasm', 'cpu'] as const).find((name) => reasons[name] === undefined);
}
