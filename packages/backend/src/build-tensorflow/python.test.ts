import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findTensorflow } from './python';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'python-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** A program that stands for Python. */
function python(name: string, script: string): string {
  const path = join(root, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

const all = [
  'include/tensorflow/c/c_api.h',
  'include/tensorflow/c/eager/c_api.h',
  'libtensorflow_cc.so.2',
  'libtensorflow_framework.so.2',
];
function tensorflow(files = all): string {
  const folder = join(root, 'site-packages/tensorflow');
  for (const file of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), '');
  }
  return folder;
}

describe('findTensorflow', () => {
  it('asks the Python that is named, else that of MEDALIGN_TENSORFLOW_PYTHON, else python3', () => {
    const folder = tensorflow();
    const answer = (name: string) => python(name, `echo /bin/${name}; echo ${folder}`);
    const env = { MEDALIGN_TENSORFLOW_PYTHON: answer('theirs'), PATH: `${root}:/usr/bin:/bin` };
    answer('python3');
    expect(findTensorflow(answer('named'), env)).toEqual({ python: '/bin/named', folder });
    expect(findTensorflow(undefined, env).python).toBe('/bin/theirs');
    expect(findTensorflow(undefined, { PATH: env.PATH }).python).toBe('/bin/python3');
  });

  it('says that a Python has no TensorFlow, and how it gets one', () => {
    const bare = python('bare', 'echo /bin/bare; echo');
    expect(() => findTensorflow(bare, {})).toThrow(
      /\/bin\/bare has no TensorFlow\. Fix: \/bin\/bare -m pip install tensorflow .* MEDALIGN_TENSORFLOW_PYTHON/,
    );
  });

  const real = spawnSync('python3', ['--version']).status === 0;
  it.skipIf(!real)('asks a real Python in words that it understands', () => {
    const folder = tensorflow();
    writeFileSync(join(folder, '__init__.py'), 'raise RuntimeError("imported")');
    const path = python('with-site', `PYTHONPATH=${dirname(folder)} exec python3 "$@"`);
    expect(findTensorflow(path).folder).toBe(folder);
    const isolated = python('isolated', 'exec python3 -I -S "$@"');
    expect(() => findTensorflow(isolated)).toThrow('has no TensorFlow');
  });

  it('names the Python that is not there, or does not run', () => {
    expect(() => findTensorflow('no-such-python', {})).toThrow(/no Python 'no-such-python'\. Fix: install Python 3/);
    const broken = python('broken', 'echo first >&2; echo "SyntaxError: old" >&2; exit 1');
    expect(() => findTensorflow(broken, {})).toThrow(/broken' does not run: SyntaxError: old\. Fix: /);
  });

  it('names what a TensorFlow lacks', () => {
    const folder = tensorflow(all.slice(0, 2));
    const path = python('python', `echo /bin/python; echo ${folder}`);
    expect(() => findTensorflow(path, {})).toThrow(
      `got ${folder} without libtensorflow_cc.so.2, libtensorflow_framework.so.2. Fix: /bin/python -m pip install`,
    );
  });
});
