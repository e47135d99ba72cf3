import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';
import { CreateError, createTrainer, trainers } from './index';
import { packTrainers } from './pack-trainers';

const examples = fileURLToPath(new URL('../../../examples', import.meta.url));
let folder: string;
let from: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'medalign-create-'));
  from = join(folder, 'trainers');
  packTrainers(examples, from);
});

const importsOf = (path: string) =>
  ts.preProcessFile(readFileSync(path, 'utf8'), true, true).importedFiles.map(({ fileName }) => fileName);

describe('createTrainer', () => {
  it.each(Object.keys(trainers))('%s: a project that declares everything it imports', (name) => {
    const target = join(folder, `My ${name}`);
    const next = createTrainer(name, target, { from });
    expect(next.at(-1)).toBe(`npm run ${name} -- --smoke`);
    const manifest = JSON.parse(readFileSync(join(target, 'package.json'), 'utf8'));
    expect(manifest).toMatchObject({
      name: `my-${name}`,
      private: true,
      scripts: { [name]: 'tsx src/main.ts', typecheck: 'tsc' },
    });
    expect(manifest.devDependencies).toEqual({
      '@types/node': expect.stringMatching(/\d/),
      typescript: expect.stringMatching(/\d/),
    });
    expect(readFileSync(join(target, 'README.md'), 'utf8')).toContain(`npm run ${name} -- --smoke`);
    expect(manifest.dependencies).not.toHaveProperty('@medalign/testing');
    expect(existsSync(join(target, 'configs/phantom.yaml'))).toBe(true);
    const files = readdirSync(join(target, 'src'));
    expect(files.filter((file) => /test/.test(file))).toEqual([]);
    for (const file of files) {
      for (const module of importsOf(join(target, 'src', file)).filter((m) => !m.startsWith('node:'))) {
        const parts = module.split('/');
        if (module.startsWith('.'))
          expect([module, `${module}.ts`].map((m) => existsSync(join(target, 'src', m)))).toContain(true);
        else
          expect(Object.keys(manifest.dependencies), `${file} imports ${module}`).toContain(
            parts.slice(0, module.startsWith('@') ? 2 : 1).join('/'),
          );
      }
    }
  });

  it('takes an empty folder, refuses one that holds something and names that it does not know', () => {
    const empty = mkdtempSync(join(folder, 'empty-'));
    createTrainer('plan', empty, { from });
    const full = mkdtempSync(join(folder, 'full-'));
    writeFileSync(join(full, 'thesis.txt'), 'mine');
    expect(() => createTrainer('plan', full, { from })).toThrow(CreateError);
    expect(readdirSync(full)).toEqual(['thesis.txt']);
    expect(() => createTrainer('toString', join(folder, 'x'), { from })).toThrow(
      /expected plan or regionmed, got 'toString'/,
    );
  });
});
