import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readBuild, type TfjsNode } from '../engines/tfjs-node';
import { compile } from './compile';

let root: string;
let tfjs: TfjsNode;
const tensorflow = { python: '/venv/bin/python', folder: '/venv/tensorflow' };
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'binding-'));
  const binding = join(root, 'lib/napi-v8/tfjs_binding.node');
  tfjs = { name: '@tensorflow/tfjs-node', version: '4.22.0', folder: root, binding };
  mkdirSync(join(root, 'binding'));
  for (const name of ['tfjs_backend.cc', 'tfjs_binding.cc']) writeFileSync(join(root, 'binding', name), '');
});
afterEach(() => {
  delete process.env.CXX;
  rmSync(root, { recursive: true });
});

/** A compiler that does what a shell script says; its output's name is in $out. */
function compiler(script: string) {
  const path = join(root, 'c++');
  const out = 'out=; previous=; for a in "$@"; do [ "$previous" = -o ] && out=$a; previous=$a; done';
  writeFileSync(path, `#!/bin/sh\necho "$@" > ${root}/call\n${out}\n${script}\n`);
  chmodSync(path, 0o755);
  process.env.CXX = path;
}
const there = () => readdirSync(dirname(tfjs.binding)).sort();

describe('compile', () => {
  it("puts the binding where tfjs-node looks for it, linked to Python's TensorFlow, and says so beside it", () => {
    compiler('echo addon > "$out"');
    compile(tfjs, tensorflow);
    expect(readFileSync(tfjs.binding, 'utf8')).toBe('addon\n');
    expect(there()).toEqual(['tfjs_binding.node', 'tfjs_binding.node.json']);
    expect(readBuild(tfjs.binding)).toMatchObject({ tensorflow: '/venv/tensorflow', python: '/venv/bin/python' });
    const call = readFileSync(join(root, 'call'), 'utf8');
    expect(call).toContain(`${root}/binding/tfjs_backend.cc ${root}/binding/tfjs_binding.cc`);
    expect(call).toMatch(
      /-isystem \/venv\/tensorflow\/include .*-Wl,-rpath,\/venv\/tensorflow .*libtensorflow_cc\.so\.2/,
    );
  });

  it('says what the compiler said, and leaves the binding that was there', () => {
    mkdirSync(dirname(tfjs.binding), { recursive: true });
    writeFileSync(tfjs.binding, 'the last one');
    compiler('echo half > "$out"; echo "error: no such header" >&2; exit 3');
    expect(() => compile(tfjs, tensorflow)).toThrow(/ended with 3:\nerror: no such header\. Fix: a compiler/);
    compiler('echo half > "$out"; kill -9 $$');
    expect(() => compile(tfjs, tensorflow)).toThrow(/ended with SIGKILL/);
    expect(there()).toEqual(['tfjs_binding.node']);
    expect(readFileSync(tfjs.binding, 'utf8')).toBe('the last one');
    expect(readBuild(tfjs.binding)).toBeUndefined();
  });

  it('names the compiler that is not there', () => {
    process.env.CXX = 'no-such-compiler';
    expect(() => compile(tfjs, tensorflow)).toThrow(
      /no C\+\+ compiler 'no-such-compiler'\. Fix: apt-get install g\+\+/,
    );
  });

  it('names the sources that are not there', () => {
    rmSync(join(root, 'binding/tfjs_backend.cc'));
    expect(() => compile(tfjs, tensorflow)).toThrow(/which has no binding\/tfjs_backend\.cc\. Fix: npm install/);
    expect(existsSync(dirname(tfjs.binding))).toBe(false);
  });
});
