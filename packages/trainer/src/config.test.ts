import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { loadConfig } from './config';
import { ConfigError } from './errors';

const schema = z.object({
  seed: z.number().int().default(0),
  data: z
    .object({ name: z.enum(['phantom', 'ms-cxr']).default('phantom'), path: z.string().nullable().default(null) })
    .prefault({}),
  train: z
    .object({
      learningRate: z.number().positive().default(1e-5),
      steps: z.number().int().positive().default(100),
      layers: z.array(z.number()).default([2, 2]),
    })
    .prefault({}),
  stages: z.array(z.object({ name: z.string(), epochs: z.number().default(1) })).default([]),
  weights: z.record(z.string(), z.number()).default({}),
});

const file = (text: string) => {
  const path = join(mkdtempSync(join(tmpdir(), 'config-')), 'config.yaml');
  writeFileSync(path, text);
  return path;
};
const problem = (options: { file?: string; sets?: string[] }) => {
  try {
    loadConfig({ schema, ...options });
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
};

it('gives the defaults for nothing, typed', () => {
  const config = loadConfig({ schema });
  expectTypeOf(config.train.learningRate).toEqualTypeOf<number>();
  expect(config).toEqual({
    seed: 0,
    data: { name: 'phantom', path: null },
    train: { learningRate: 1e-5, steps: 100, layers: [2, 2] },
    stages: [],
    weights: {},
  });
  expect(loadConfig({ schema, file: file('# only a comment\n') })).toEqual(config);
});

it('lays overrides over the file, the later over the earlier, with YAML types', () => {
  const path = file('train:\n  learningRate: 1e-4\nstages:\n  - name: warm-up\n');
  const sets = [
    'train.steps=5',
    'train.steps=20',
    'train.layers=[1, 3]',
    'stages.0.epochs=2',
    'stages.1.name=joint',
    'data.path=/a=b',
    'weights.local=0.5',
  ];
  const config = loadConfig({ schema, file: path, sets });
  expect(config.train).toEqual({ learningRate: 1e-4, steps: 20, layers: [1, 3] });
  expect(config.stages).toEqual([
    { name: 'warm-up', epochs: 2 },
    { name: 'joint', epochs: 1 },
  ]);
  expect(config.data.path).toBe('/a=b');
  expect(config.weights).toEqual({ local: 0.5 });
});

it('refuses unknown settings with the nearest name', () => {
  expect(problem({ sets: ['train.learnigRate=1'] })).toBe(
    '--set train.learnigRate=1:\n  train.learnigRate: unknown setting: did you mean train.learningRate?',
  );
  expect(problem({ sets: ['learningRate=1'] })).toContain('did you mean train.learningRate?');
  expect(problem({ file: file('zebra: 1\n') })).toContain(
    'zebra: unknown setting: known here: seed, data, train, stages, weights',
  );
  expect(problem({ sets: ['stages=[{name: a, epoch: 1}]'] })).toContain(
    'stages.0.epoch: unknown setting: did you mean stages.0.epochs?',
  );
  const strict = z.strictObject({ seed: z.number().default(0) });
  expect(() => loadConfig({ schema: strict, sets: ['sed=1'] })).toThrow(
    /^--set sed=1:\n {2}sed: unknown setting: did you mean seed\?$/,
  );
  expect(loadConfig({ schema: z.looseObject({ seed: z.number() }), sets: ['seed=1', 'other=2'] })).toEqual({
    seed: 1,
    other: 2,
  });
});

it('names path, what was expected and what came, for every problem at once', () => {
  const path = file('train:\n  steps: many\n  learningRate: -1\ndata:\n  name: mimic\nstages:\n  - epochs: 1\n');
  expect(problem({ file: path }).split('\n')).toEqual([
    `${path}:`,
    expect.stringMatching(/^ {2}data\.name: expected one of "phantom"\|"ms-cxr", got "mimic" \(string\)$/),
    expect.stringMatching(/^ {2}train\.learningRate: .*>0, got -1 \(number\)$/),
    '  train.steps: expected number, got "many" (string)',
    '  stages.0.name: expected string, got nothing',
  ]);
});

it('says which file or override cannot be read', () => {
  expect(problem({ file: '/nowhere/config.yaml' })).toContain('--config /nowhere/config.yaml: cannot be read: ENOENT');
  expect(problem({ file: file('a: [1\n') })).toMatch(/config\.yaml: not valid YAML: .*line 2/s);
  expect(problem({ file: file('- 1\n') })).toContain('expected "key: value" lines at the top, got [1] (list)');
  expect(problem({ sets: ['train.steps'] })).toBe(
    '--set train.steps: expected a.b=value, for example --set train.steps=20',
  );
  expect(problem({ sets: ['seed=1', 'seed.deep=2'] })).toContain('seed is 1 (number), it has no settings inside');
  expect(problem({ sets: ['train.layers=[1]', 'train.layers.5=1'] })).toContain(
    "train.layers is a list of 1: expected a place in it, got '5'",
  );
  expect(problem({ sets: ['__proto__.polluted=1'] })).toContain('expected a.b=value');
  expect(problem({ sets: ['constructor.prototype.polluted=1'] })).toContain('unknown setting');
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
});
