import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { configOfRun, RunFolder } from './run-folder';

const newPath = () => join(mkdtempSync(join(tmpdir(), 'run-')), 'a', 'b');
const config = { train: { steps: 20, learningRate: 1e-5, name: 'no' } };

it('writes the configuration so that it can be given back, and the environment', () => {
  const run = new RunFolder(newPath(), { config, engine: { name: 'wasm', device: 'cpu', version: '4.22.0' } });
  expect(parse(readFileSync(run.file('config.resolved.yaml'), 'utf8'))).toEqual(config);
  const env = JSON.parse(readFileSync(run.file('env.json'), 'utf8'));
  expect(env).toMatchObject({ node: process.version, engine: { name: 'wasm' }, cores: expect.any(Number) });
  expect(env.packages['@tensorflow/tfjs-core']).toMatch(/^4\./);
  expect(env.packages['@medalign/trainer']).toMatch(/^\d/);
  expect(env.cpu).toEqual(expect.any(String));
  expect(existsSync(run.checkpoints)).toBe(true);
});

it('finds the configuration of a run, and says where there is none', () => {
  const path = mkdtempSync(join(tmpdir(), 'run-'));
  expect(() => configOfRun(join(path, 'gone'))).toThrow(
    /--resume .*gone: expected the folder of a run.*nothing at this path/,
  );
  expect(() => configOfRun(path)).toThrow(/it has no config\.resolved\.yaml/);
  new RunFolder(path, { config: { steps: 1 } });
  expect(readFileSync(configOfRun(path), 'utf8')).toBe('steps: 1\n');
});

it('refuses a finished run and unsaved checkpoints, unless told', () => {
  const path = newPath();
  const run = new RunFolder(path, { config });
  expect(() => new RunFolder(path, { config }), 'nothing of value in it yet').not.toThrow();
  writeFileSync(join(run.checkpoints, 'step.safetensors'), 'x');
  expect(() => new RunFolder(path, { config })).toThrow(
    /holds checkpoints of an unfinished run: resume it, overwrite it/,
  );
  expect(existsSync(join(new RunFolder(path, { config, resume: true }).checkpoints, 'step.safetensors'))).toBe(true);
  run.finish();
  expect(() => new RunFolder(path, { config })).toThrow(/holds a finished run/);
  expect(() => new RunFolder(path, { config, resume: true, overwrite: true })).toThrow(/choose one/);
  writeFileSync(run.metrics, '{}\n');
  writeFileSync(run.file('notes.txt'), 'mine');
  const again = new RunFolder(path, { config, overwrite: true });
  expect(again.finished).toBe(false);
  expect(existsSync(again.metrics)).toBe(false);
  expect(existsSync(join(again.checkpoints, 'step.safetensors'))).toBe(false);
  expect(readFileSync(again.file('notes.txt'), 'utf8'), 'files of others stay').toBe('mine');
});
