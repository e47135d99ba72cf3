import { expect, it } from 'vitest';
import { missingEngines, nextEngine } from './engine-names';

const all = { wasm: true, webgl2: true, secure: true, gpuAdapter: {} };

it('finds nothing missing in a browser that has everything', () => {
  expect(missingEngines(all)).toEqual({});
});

it.each([
  [{ webgl2: false }, { webgl: 'this browser has no WebGL 2, or no graphics card for it' }],
  [{ wasm: false }, { wasm: 'this browser has no WebAssembly' }],
  [{ gpuAdapter: null }, { webgpu: 'this browser finds no graphics card for WebGPU' }],
  [{ gpuAdapter: undefined }, { webgpu: 'this browser has no WebGPU' }],
  [{ gpuAdapter: undefined, secure: false }, { webgpu: 'WebGPU needs a secure page: https, or localhost' }],
])('says why: %o', (offers, reasons) => {
  expect(missingEngines({ ...all, ...offers })).toEqual(reasons);
});

it('goes on with wasm, then cpu, then nothing', () => {
  expect(nextEngine({ webgl: 'lost' })).toBe('wasm');
  expect(nextEngine({ wasm: 'broken' })).toBe('cpu');
  expect(nextEngine({ wasm: 'broken', cpu: 'broken' })).toBeUndefined();
});
