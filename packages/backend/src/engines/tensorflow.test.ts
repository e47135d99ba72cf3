import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type EngineError, useBackend } from '../index';
import { buildFile, diagnose, findTfjsNode } from './tfjs-node';

const home = process.cwd();
let folder: string;

// tfjs-node is looked for in the program's folder alone: one installed in this repository is not the one under test.
vi.mock('./node', async (original) => {
  const real = await original<typeof import('./node')>();
  const places = () => [`${process.cwd()}/package.json`];
  return {
    ...real,
    locate: (request: string) => real.locate(request, places()),
    importOptional: (name: string) => real.importOptional(name, places()),
  };
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tensorflow-'));
  process.chdir(folder);
});
afterEach(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true });
  if (tf.findBackendFactory('tensorflow')) tf.removeBackend('tensorflow');
});

const MISSING = `throw new Error('The Node.js native addon module (tfjs_binding.node) can not be found at path: x');`;
const BINDING = 'lib/napi-v8/tfjs_binding.node';

function install(files: Record<string, string> = {}, name = '@tensorflow/tfjs-node') {
  const manifest = { name, version: '4.22.0', main: 'index.js', binary: { napi_versions: [3, 8, 1000] } };
  const all = { 'package.json': JSON.stringify(manifest), 'index.js': MISSING, ...files };
  for (const [file, text] of Object.entries(all)) {
    const path = join(folder, 'node_modules', name, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  return findTfjsNode()!;
}

/** A tfjs-node that works: its backend is tfjs's own for the cpu, under another name. */
function installWorking(name: string, gpu: boolean, files: Record<string, string> = {}) {
  const Cpu = tf.findBackend('cpu').constructor as new () => tf.KernelBackend;
  const backend = () => Object.assign(new Cpu(), { isUsingGpuDevice: gpu, binding: { TF_Version: '2.21.0' } });
  vi.spyOn(console, 'warn').mockImplementation(() => {});
  tf.copyRegisteredKernels('cpu', 'tensorflow');
  Object.assign(globalThis, { start: () => tf.registerBackend('tensorflow', backend) });
  install({ 'index.js': 'globalThis.start();', [BINDING]: '', ...files }, name);
}
afterEach(() => vi.restoreAllMocks());

const failure = (name = 'tensorflow') => useBackend(name).catch((error: unknown) => error) as Promise<EngineError>;

describe('tfjs-node without its native binding', () => {
  it('says that the install script did not run, and how to build the binding', async () => {
    install();
    const { message } = await failure();
    expect(message).toMatch(/tfjs-node is installed without its native binding: its install script did not run \(/);
    expect(message).toMatch(/Fix: npx @medalign\/backend build-tensorflow/);
  });

  it('says that the download of the install script failed', async () => {
    const { name } = install({}, '@tensorflow/tfjs-node-gpu');
    mkdirSync(join(folder, 'node_modules', name, 'deps'));
    expect((await failure()).message).toMatch(/tfjs-node-gpu .* the download of TensorFlow failed\. Fix: npx/);
  });

  it('says that the install script got TensorFlow but no binding', async () => {
    install({ 'deps/lib/libtensorflow.so.2.9.1': '' });
    expect((await failure()).message).toMatch(/could neither download nor compile the binding\. Fix: npx/);
  });
});

describe('tfjs-node with its native binding', () => {
  const binding = { [BINDING]: '' };
  const error = "new Error('libtensorflow_cc.so.2: cannot open shared object file: No such file or directory')";

  it('names a shared library that is missing', async () => {
    install({ ...binding, 'index.js': `throw ${error};` });
    expect((await failure()).message).toMatch(
      /libtensorflow_cc\.so\.2, which that needs, is not found\. Fix: npx .* or name the folder .* LD_LIBRARY_PATH/,
    );
  });

  it('says which TensorFlow it was built against, when that is gone', async () => {
    const build = JSON.stringify({ tensorflow: '/venv/tensorflow' });
    install({ ...binding, [buildFile(BINDING)]: build, 'index.js': `throw ${error};` });
    expect((await failure()).message).toMatch(/built against the TensorFlow in \/venv\/tensorflow\. Fix: npx/);
  });

  it('keeps any other message', async () => {
    install({ ...binding, 'index.js': `throw new Error('\\nwrong ELF class\\nmore');` });
    expect((await failure()).message).toContain('is installed, but does not load: wrong ELF class. Fix: npx');
  });

  it('names the Node version that removed what it calls, and changes nothing', async () => {
    await useBackend('cpu');
    installWorking('@tensorflow/tfjs-node', false);
    tf.unregisterKernel('Add', 'tensorflow');
    const kernelFunc = () => {
      throw new TypeError('(0 , util_1.isNullOrUndefined) is not a function');
    };
    tf.registerKernel({ kernelName: 'Add', backendName: 'tensorflow', kernelFunc });
    const { message } = await failure();
    expect(message).toContain(`does not run on Node ${process.versions.node}: it calls util.isNullOrUndefined`);
    expect(message).toContain('Fix: use Node 20 or 22; or another engine');
    expect(tf.getBackend()).toBe('cpu');
  });

  it('puts Node first when the binding is missing too, unless a release no longer calls it', () => {
    const cause = new Error('x');
    const old = install({ 'dist/nodejs_kernel_backend.js': 'util_1.isNullOrUndefined(x)' });
    expect(diagnose(old, cause, '24.1.0')).toEqual({
      reason: expect.stringContaining('does not run on Node 24.1.0'),
      fix: 'use Node 20 or 22',
    });
    expect(diagnose(old, cause, '22.0.0').reason).toContain('without its native binding');
    const mended = install({ 'dist/nodejs_kernel_backend.js': '' });
    expect(diagnose(mended, cause, '24.1.0').reason).toContain('without its native binding');
  });
});

describe('useTensorflow', () => {
  it('says which TensorFlow runs, and where', async () => {
    installWorking('@tensorflow/tfjs-node', false);
    expect(await useBackend('tensorflow')).toEqual({ name: 'tensorflow', device: 'cpu', version: '2.21.0' });
    expect(tf.getBackend()).toBe('tensorflow');
  });

  const auto = async () => {
    const lines: string[] = [];
    await useBackend('auto', { log: (line) => lines.push(line) });
    return lines[0];
  };

  it("is what 'auto' takes before torch when it was built and sees a GPU", async () => {
    installWorking('@tensorflow/tfjs-node', true, { [buildFile(BINDING)]: '{"tensorflow": "x"}' });
    expect(await auto()).toMatch(/^Engine: tensorflow 2\.21\.0 on cuda/);
  });

  it("is what 'auto' takes on the CPU when there is no torch", async () => {
    installWorking('@tensorflow/tfjs-node-gpu', false);
    expect(await auto()).toMatch(
      /^Engine: tensorflow 2\.21\.0 on cpu \(torch: not installed; tensorflow: .*it sees no GPU\)/,
    );
  });
});
