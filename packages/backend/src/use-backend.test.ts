import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EngineError, useBackend } from './index';

const home = process.cwd();
const folders: string[] = [];

// Optional packages are looked for in the program's folder alone: the one beside this package is not installed there.
vi.mock('./engines/node', async (original) => {
  const real = await original<typeof import('./engines/node')>();
  const places = () => [`${process.cwd()}/package.json`];
  return {
    ...real,
    locate: (request: string) => real.locate(request, places()),
    importOptional: (name: string) => real.importOptional(name, places()),
  };
});

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'medalign-'));
  folders.push(folder);
  process.chdir(folder);
});

/** Installs a package in the program's folder. */
function install(name: string, files: Record<string, string>) {
  const folder = process.cwd();
  const target = join(folder, 'node_modules', name);
  mkdirSync(target, { recursive: true });
  for (const [file, text] of Object.entries({ 'package.json': `{ "name": "${name}", "main": "index.js" }`, ...files }))
    writeFileSync(join(target, file), text);
}

afterEach(() => {
  process.chdir(home);
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  if (tf.findBackendFactory('torch')) tf.removeBackend('torch');
});

const failure = (name: string) => useBackend(name).catch((error: unknown) => error) as Promise<EngineError>;

describe('useBackend', () => {
  it('starts the engine it was asked for, without a word', async () => {
    const said = [vi.spyOn(console, 'warn'), vi.spyOn(console, 'error'), vi.spyOn(console, 'log')];
    expect(await useBackend('cpu')).toEqual({ name: 'cpu', device: 'cpu', version: tf.version_core });
    expect(tf.getBackend()).toBe('cpu');
    const listeners = process.listenerCount('uncaughtException');
    expect(await useBackend('wasm')).toEqual({ name: 'wasm', device: 'cpu', version: tf.version_core });
    expect(tf.getBackend()).toBe('wasm');
    expect(tf.memory().numTensors).toBe(0);
    expect(process.listenerCount('uncaughtException')).toBe(listeners);
    for (const spy of said) expect(spy).not.toHaveBeenCalled();
    vi.restoreAllMocks();
  });

  it("'auto' takes the best there is and says in one line why not a better one", async () => {
    const lines: string[] = [];
    expect((await useBackend('auto', { log: (line) => lines.push(line) })).name).toBe('wasm');
    expect(lines).toEqual([`Engine: wasm ${tf.version_core} on cpu (torch: not installed; tensorflow: not installed)`]);
  });

  it.each([
    ['torch', 'npm install @medalign/backend-torch'],
    ['cuda', 'npm install @medalign/backend-torch'],
    ['tensorflow', 'npm install --ignore-scripts @tensorflow/tfjs-node'],
    ['webgl', 'npm install @tensorflow/tfjs-backend-webgl'],
    ['webgpu', 'npm install @tensorflow/tfjs-backend-webgpu'],
    ['toString', "'auto', 'torch', 'cuda'"],
  ])("refuses '%s' when it is not there, with the fix, and changes nothing", async (name, fix) => {
    await useBackend('cpu');
    const error = await failure(name);
    expect(error).toBeInstanceOf(EngineError);
    expect(error.engine).toBe(name);
    expect(error.message).toContain(fix);
    expect(tf.getBackend()).toBe('cpu');
  });

  const torch = (body: string) => ({
    'package.json':
      '{ "name": "@medalign/backend-torch", "type": "module", "exports": { "import": "./index.js", "default": "./index.js" } }',
    'index.js': `export const registerTorch = async ({ device = 'any', precision, threads }) => { ${body} };`,
  });

  it('uses @medalign/backend-torch from the program, on the device it has', async () => {
    install('@medalign/backend-torch', torch(`globalThis.register(); return { device, version: '2.13.0' };`));
    const Cpu = tf.findBackend('cpu').constructor as new () => tf.KernelBackend;
    tf.copyRegisteredKernels('cpu', 'torch');
    Object.assign(globalThis, { register: () => tf.registerBackend('torch', () => new Cpu()) });
    vi.spyOn(console, 'warn').mockImplementation(() => {});
    const lines: string[] = [];
    const engine = await useBackend('auto', { log: (line) => lines.push(line) });
    expect(engine).toEqual({ name: 'torch', device: 'cuda', version: '2.13.0' });
    expect(lines).toEqual(['Engine: torch 2.13.0 on cuda']);
    expect(await useBackend('torch')).toMatchObject({ name: 'torch' });
    await useBackend('cpu');
    vi.restoreAllMocks();
  });

  it('hands the number of threads on, and refuses what is none', async () => {
    install('@medalign/backend-torch', torch('throw new Error(String(threads));'));
    const reason = async (name: 'torch' | 'cuda', threads?: number) => {
      const given = threads === undefined ? {} : { threads };
      return ((await useBackend(name, given).catch((error) => error)) as EngineError).reason;
    };
    expect([await reason('torch'), await reason('torch', 3), await reason('cuda', 2)]).toEqual(['undefined', '3', '2']);
    for (const threads of [0, 1.5, Number.NaN])
      await expect(useBackend('cpu', { threads })).rejects.toThrow(
        `threads: expected a whole number above 0, got ${threads}`,
      );
  });

  it('hands the precision on, and refuses a word that is none', async () => {
    install('@medalign/backend-torch', torch(`throw new Error(precision);`));
    const reason = async (precision?: 'medium') => {
      const given = precision ? { precision } : {};
      return ((await useBackend('torch', given).catch((error) => error)) as EngineError).reason;
    };
    expect([await reason(), await reason('medium')]).toEqual(['highest', 'medium']);
    await expect(useBackend('cpu', { precision: 'low' as never })).rejects.toThrow(
      "precision 'low' is unknown. Fix: one of highest, high, medium",
    );
  });

  it("repeats @medalign/backend-torch's own reason", async () => {
    install('@medalign/backend-torch', torch(`throw new Error('no CUDA device; torch 2.13 is a CPU build');`));
    const error = await failure('cuda');
    expect(error.reason).toBe('no CUDA device; torch 2.13 is a CPU build');
    expect(error.cause).toBeInstanceOf(Error);
  });

  it("repeats @medalign/backend-torch's own fix, and why it is not on CUDA", async () => {
    install(
      '@medalign/backend-torch',
      torch(
        `if (device === 'cuda') throw new Error('no CUDA device');
         throw Object.assign(new Error('x'), { reason: 'not built yet', fix: 'npm run engine' });`,
      ),
    );
    expect((await failure('torch')).message).toBe("Engine 'torch': not built yet. Fix: npm run engine");
    const lines: string[] = [];
    await useBackend('auto', { log: (line) => lines.push(line) });
    expect(lines).toEqual([
      `Engine: wasm ${tf.version_core} on cpu (cuda: no CUDA device; tensorflow: not installed; torch: not built yet)`,
    ]);
  });
});
