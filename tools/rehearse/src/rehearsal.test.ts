import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkContents, contentsDiff, plainName, publishedFiles } from './contents';
import { publishFixture } from './fixture';
import { checkOneCopy } from './project';
import type { Manifest } from './scratch';
import { withDependants } from './snapshot';
import { root, type Stage, setStage } from './stage';
import { checkUsable } from './usable';

const wanted = ['dist/index.d.ts', 'dist/index.js', 'dist/part.d.ts', 'dist/part.js', 'package.json'];

describe('a package on the registry', () => {
  let stage: Stage;
  let clear: () => Promise<void>;
  beforeAll(async () => {
    ({ stage, clear } = await setStage());
  });
  afterAll(() => clear());

  const published = async (...fixture: [name: string, manifest?: object, files?: Record<string, string>]) => {
    const name = await publishFixture(stage, fixture[0], { ...fixture[1] }, fixture[2]);
    return { name, usable: () => checkUsable(stage, name, '1.0.0'), files: await publishedFiles(stage, name, '1.0.0') };
  };

  it('passes when it is as it should be', async () => {
    const { usable, files } = await published('healthy');
    await usable();
    expect(contentsDiff(wanted, files)).toEqual([]);
  });

  it('fails with a broken export', async () => {
    const extra = { types: './dist/part.d.ts', default: './dist/gone.js' };
    const exports = { '.': { types: './dist/index.d.ts', default: './dist/index.js' }, './extra': extra };
    const { usable } = await published('broken-export', { exports });
    await expect(usable()).rejects.toThrow(/Cannot find module .*gone\.js/);
  });

  it('fails with a missing file: in its list, and in use', async () => {
    const { usable, files } = await published('missing-file', { files: ['dist', '!dist/part.js'] });
    expect(contentsDiff(wanted, files)).toEqual(['- dist/part.js   (missing)']);
    await expect(usable()).rejects.toThrow(/Cannot find module .*part\.js/);
  });

  it('fails with a file that nobody asked for', async () => {
    const { files } = await published('unexpected-file', {}, { 'dist/secret.txt': 'secret' });
    expect(contentsDiff(wanted, files)).toEqual(['+ dist/secret.txt   (unexpected)']);
  });

  it('fails with a dependency that is imported and not declared', async () => {
    const index = "import ms from 'ms';\nexport const one = ms('1 s');\n";
    const { usable } = await published('undeclared', {}, { 'dist/index.js': index });
    await expect(usable()).rejects.toThrow(/Cannot find package 'ms'/);
    const declared = await published('declared', { dependencies: { ms: '^2.1.3' } }, { 'dist/index.js': index });
    await declared.usable();
  });

  it('fails with an import of something gone, that nothing loads at first', async () => {
    const index = "export const one = async () => (await import('ms/gone.js')).default('1 s');\n";
    const { usable } = await published('lazy', { dependencies: { ms: '^2.1.3' } }, { 'dist/index.js': index });
    await expect(usable()).rejects.toThrow(/ms\/gone\.js: Cannot find module/);
  });

  it('fails with a dependency of its types that is not declared', async () => {
    const index = "import type { Tensor } from '@tensorflow/tfjs-core';\nexport declare const one: Tensor;\n";
    const { usable } = await published('undeclared-types', {}, { 'dist/index.d.ts': index });
    await expect(usable()).rejects.toThrow(/Cannot find module '@tensorflow\/tfjs-core'/);
  });

  it('fails with an import that only CommonJS resolves', async () => {
    const { usable } = await published('no-extension', {}, { 'dist/index.js': "export { one } from './part';\n" });
    await expect(usable()).rejects.toThrow(/Cannot find module .*part/);
  });

  it('fails with names that CommonJS gives to require alone', async () => {
    const files = {
      'dist/part.cjs': "for (const name of ['one']) exports[name] = 1;\n",
      'dist/index.js': "export { one } from './part.cjs';\n",
    };
    const { usable } = await published('computed-names', {}, files);
    await expect(usable()).rejects.toThrow(/Named export 'one' not found/);
  });

  it('fails when only require finds it', async () => {
    const exports = {
      '.': { types: './dist/index.d.ts', require: './dist/index.js' },
      './package.json': './package.json',
    };
    const { usable } = await published('require-only', { exports });
    await expect(usable()).rejects.toThrow(/No "exports" main defined/);
  });

  it('fails with types that only a bundler resolves', async () => {
    const { usable } = await published(
      'types-no-extension',
      {},
      { 'dist/index.d.ts': "export { one } from './part';\n" },
    );
    await expect(usable()).rejects.toThrow(/nodenext[\s\S]*Relative import paths need explicit file extensions/);
  });

  it('is not hidden by one of the same name elsewhere', async () => {
    await expect(checkUsable(stage, '@rehearsal/never-published', '1.0.0')).rejects.toThrow(/E404/);
  });
});

it('finds a package that is there twice', () => {
  const folder = mkdtempSync(join(tmpdir(), 'medalign-copies-'));
  const packages = {
    'node_modules/@medalign/similarity': { version: '0.2.0' },
    'node_modules/@medalign/losses': { version: '0.1.0' },
  };
  const lock = (more: object) =>
    writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ packages: { ...packages, ...more } }));
  lock({});
  checkOneCopy(folder);
  lock({ 'node_modules/@medalign/losses/node_modules/@medalign/similarity': { version: '0.1.0' } });
  expect(() => checkOneCopy(folder)).toThrow(/expected one copy, found 2/);
  rmSync(folder, { recursive: true });
});

it('writes the checksum in a file name as HASH', () => {
  expect(plainName('package/dist/chunk-2RH7HXXW.js.map')).toBe('dist/chunk-HASH.js.map');
  expect(plainName('package/dist/dicom-thread.mjs')).toBe('dist/dicom-thread.mjs');
  expect(plainName('package/src/adam-2RH7HXXW.ts')).toBe('src/adam-2RH7HXXW.ts');
});

it('names the files that a list does not have, and how to update it', () => {
  const files = readFileSync(new URL('../contents/losses.txt', import.meta.url), 'utf8')
    .trim()
    .split('\n');
  checkContents('@medalign/losses', files);
  const changed = [...files.filter((file) => file !== 'README.md'), 'src/new.ts'];
  expect(() => checkContents('@medalign/losses', changed)).toThrow(
    /- README\.md {3}\(missing\)\n\+ src\/new\.ts {3}\(unexpected\)\n.*--update-contents/,
  );
});

it('follows dependants to the end', () => {
  const packages: Pick<Manifest, 'name' | 'dependencies'>[] = [
    { name: 'c', dependencies: { b: '1' } },
    { name: 'b', dependencies: { a: '1' } },
    { name: 'a' },
    { name: 'd', dependencies: { e: '1' } },
  ];
  expect([...withDependants('a', packages)].sort()).toEqual(['a', 'b', 'c']);
});

it('stops what it started on Ctrl-C, and leaves nothing behind', async () => {
  const temporary = mkdtempSync(join(tmpdir(), 'medalign-interrupted-'));
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', main], {
    cwd: root,
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (data) => {
    said += data;
  });
  // the registry is up, the build runs
  const npmrc = () => readdirSync(temporary).find((name) => existsSync(join(temporary, name, 'npmrc')));
  while (!npmrc() && child.exitCode === null) await setTimeout(50);
  await setTimeout(200);
  child.kill('SIGINT');
  await setTimeout(5);
  child.kill('SIGINT'); // as npm passes it on
  const [code] = await once(child, 'close');
  expect({ code, said }).toEqual({ code: 130, said: expect.stringContaining('Stopped by SIGINT.') });
  expect(readdirSync(temporary).filter((name) => name.startsWith('medalign-'))).toEqual([]);
  rmSync(temporary, { recursive: true });
});
