import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadNative } from '../load';
import { currentBuild } from './cache';
import { compile } from './compile';
import type { Libtorch } from './libtorch';

let folder: string;
let cache: string;
let torch: Libtorch;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'compile-'));
  cache = join(folder, 'cache');
  mkdirSync(join(folder, 'lib'));
  writeFileSync(join(folder, 'lib/libtorch_cpu.so'), 'a library');
  torch = { source: 'python', version: '2.13.0', cuda: false, cxx11Abi: true, folder, lib: join(folder, 'lib') };
});
afterEach(() => {
  delete process.env.CXX;
  rmSync(folder, { recursive: true });
});

/** A compiler that does what a shell script says; its output's name is in $out. */
function compiler(script: string) {
  const path = join(folder, 'c++');
  const out = 'out=; previous=; for a in "$@"; do [ "$previous" = -o ] && out=$a; previous=$a; done';
  writeFileSync(path, `#!/bin/sh\necho "$@" >> ${folder}/calls\n${out}\n${script}\n`);
  chmodSync(path, 0o755);
  process.env.CXX = path;
}
const calls = async () => (await import('node:fs')).readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n');

describe('compile', () => {
  it('compiles once for a libtorch, and again for another in its place', async () => {
    compiler('echo addon > "$out"');
    const lines: string[] = [];
    const addon = await compile(torch, { cache, log: (line) => lines.push(line) });
    expect(existsSync(addon)).toBe(true);
    expect(currentBuild(cache).build).toMatchObject({ torch: '2.13.0', cuda: false, lib: torch.lib });
    const [compiled, linked] = await calls();
    expect(compiled).toMatch(/-std=c\+\+20 .*-fopenmp .*addon\.cpp/);
    expect(linked).toMatch(/-shared .*-Wl,-rpath,.*lib .*-ltorch_cpu/);
    expect(linked).not.toContain('-fopenmp'); // a second OpenMP library would bring a second set of threads
    expect(await compile(torch, { cache, log: (line) => lines.push(line) })).toBe(addon);
    expect(await calls()).toHaveLength(2);
    expect(lines).toEqual([expect.stringMatching(/^compiled in \d+ s/), expect.stringMatching(/^already built/)]);
    await compile(torch, { cache, force: true });
    expect(await calls()).toHaveLength(4);
    writeFileSync(join(torch.lib, 'libtorch_cpu.so'), 'a longer library');
    expect(await compile(torch, { cache })).not.toBe(addon);
  });

  it('says what the compiler said, and leaves nothing that would be loaded', async () => {
    compiler('echo half > "$out"; echo "error: no such header" >&2; exit 3');
    await expect(compile(torch, { cache })).rejects.toThrow(/ended with 3:\nerror: no such header/);
    expect(() => currentBuild(cache)).toThrow(/not built yet\. Fix: npx @medalign\/backend-torch build/);
    for (const build of readdirSync(cache)) expect(readdirSync(join(cache, build))).toEqual([]);
  });

  it('leaves the last build when the compiler is killed', async () => {
    compiler('echo addon > "$out"');
    await compile(torch, { cache });
    const before = currentBuild(cache);
    writeFileSync(join(torch.lib, 'libtorch_cpu.so'), 'a longer library');
    compiler('echo half > "$out"; kill -9 $$');
    await expect(compile(torch, { cache })).rejects.toThrow(/ended with null/);
    expect(currentBuild(cache)).toEqual(before);
  });

  it('finds the CUDA headers that pip puts beside PyTorch, and says where they were looked for', async () => {
    compiler('echo addon > "$out"');
    const torchFolder = join(folder, 'torch');
    const cuda = { ...torch, folder: torchFolder, cuda: true };
    process.env.CUDA_HOME = join(folder, 'nowhere');
    const headers = join(folder, 'nvidia/cu13/include');
    try {
      if (!existsSync('/usr/local/cuda/include/cuda_runtime_api.h')) {
        const problem = compile(cuda, { cache, log: () => {} });
        await expect(problem).rejects.toThrow(/headers are missing.*nowhere\/include.*\/usr\/local\/cuda\/include/s);
        expect(existsSync(join(folder, 'calls'))).toBe(false);
      }
      mkdirSync(headers, { recursive: true });
      writeFileSync(join(headers, 'cuda_runtime_api.h'), '');
      await compile(cuda, { cache, log: () => {} });
    } finally {
      delete process.env.CUDA_HOME;
    }
    expect((await calls())[0]).toContain(`-isystem ${headers}`);
    expect((await calls())[0]).toContain('-DMEDALIGN_CUDA');
  });

  it('names the compiler that is not there', async () => {
    process.env.CXX = 'no-such-compiler';
    await expect(compile(torch, { cache })).rejects.toThrow(
      /no C\+\+ compiler 'no-such-compiler'\. Fix: apt-get install g\+\+/,
    );
  });
});

describe('loadNative', () => {
  const built = async () => {
    compiler('echo "not an addon" > "$out"');
    return compile(torch, { cache });
  };

  it('says that nothing was built', () => {
    expect(() => loadNative(cache)).toThrow(/not built yet/);
  });
  it('says that libtorch is gone', async () => {
    await built();
    rmSync(join(torch.lib, 'libtorch_cpu.so'));
    expect(() => loadNative(cache)).toThrow(/libtorch 2\.13\.0 is gone from .*Fix: npx/);
  });
  it('says that libtorch is another one than it was built for', async () => {
    await built();
    utimesSync(join(torch.lib, 'libtorch_cpu.so'), 1, 1);
    expect(() => loadNative(cache)).toThrow(/is another one than 2\.13\.0, which it was built for\. Fix: npx/);
  });
  it('says why an addon does not load', async () => {
    await built();
    expect(() => loadNative(cache)).toThrow(/the addon does not load \(.*\)\. Fix: npx/s);
  });
  it('says that the addon is gone', async () => {
    rmSync(await built());
    expect(() => loadNative(cache)).toThrow(/the build in .* is gone\. Fix: npx/);
  });
});
