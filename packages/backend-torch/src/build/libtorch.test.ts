import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findLibtorch, fingerprint } from './libtorch';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'libtorch-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const version = (numbers: [number, number, number]) =>
  ['MAJOR', 'MINOR', 'PATCH'].map((name, i) => `#define TORCH_VERSION_${name} ${numbers[i]}\n`).join('');

function put(files: Record<string, string>) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

describe('findLibtorch', () => {
  it('takes the folder that MEDALIGN_TORCH_DIR names: version, CUDA, ABI', () => {
    put({
      'include/torch/csrc/api/include/torch/version.h': version([2, 4, 1]),
      'lib/libtorch_cpu.so': '',
      'lib/libtorch_cuda.so': '',
      'share/cmake/Torch/TorchConfig.cmake': 'set(TORCH_CXX_FLAGS "-D_GLIBCXX_USE_CXX11_ABI=0")',
    });
    expect(findLibtorch({ MEDALIGN_TORCH_DIR: folder })).toEqual({
      source: 'MEDALIGN_TORCH_DIR',
      version: '2.4.1',
      cuda: true,
      cxx11Abi: false,
      folder,
      lib: join(folder, 'lib'),
    });
  });

  it('reads the version where newer ones keep it, and libraries where Debian keeps them', () => {
    const lib = `lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
    put({
      'include/torch/csrc/api/include/torch/version.h': '#include <torch/headeronly/version.h>',
      'include/torch/headeronly/version.h': version([2, 13, 0]),
      [`${lib}/libtorch_cpu.so`]: '',
    });
    expect(findLibtorch({ MEDALIGN_TORCH_DIR: folder })).toMatchObject({
      version: '2.13.0',
      cuda: false,
      cxx11Abi: true,
      lib: join(folder, lib),
    });
  });

  it('refuses a named folder without libtorch, and looks no further', () => {
    expect(() => findLibtorch({ MEDALIGN_TORCH_DIR: folder })).toThrow(
      /MEDALIGN_TORCH_DIR: expected .* got .*: no include\/torch/,
    );
    put({ 'include/torch/headeronly/version.h': version([2, 13, 0]) });
    expect(() => findLibtorch({ MEDALIGN_TORCH_DIR: folder })).toThrow(/no libtorch_cpu\.so in lib/);
  });

  it("asks this shell's python where torch is", () => {
    put({
      'python/python3': `#!/bin/sh\necho ${folder}/torch\n`,
      'torch/include/torch/headeronly/version.h': version([2, 11, 0]),
      'torch/lib/libtorch_cpu.so': '',
    });
    execFileSync('chmod', ['+x', join(folder, 'python/python3')]);
    const PATH = `${join(folder, 'python')}:/usr/bin:/bin`;
    expect(findLibtorch({ PATH })).toMatchObject({
      source: 'python',
      version: '2.11.0',
      folder: join(folder, 'torch'),
    });
  });

  it('tells a library from another in its place', () => {
    put({ 'lib/libtorch_cpu.so': 'one' });
    const before = fingerprint(join(folder, 'lib'));
    put({ 'lib/libtorch_cpu.so': 'another' });
    expect(fingerprint(join(folder, 'lib'))).not.toBe(before);
  });
});
