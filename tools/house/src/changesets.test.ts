import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { namedIn } from './changesets';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const git = (...args: string[]) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
const pending = readdirSync(join(root, '.changeset')).filter((name) => name.endsWith('.md') && name !== 'README.md');
const named = namedIn(pending.map((name) => readFileSync(join(root, '.changeset', name), 'utf8')));

const shallow = git('rev-parse', '--is-shallow-repository') === 'true';
if (shallow) console.warn('NOT CHECKED: changed public types have a changeset. A shallow clone has no history to compare with: git fetch --unshallow'); // biome-ignore format: one line

describe('changesets', () => {
  it.each(readdirSync(join(root, 'packages')))(
    'public types of %s that changed since its last version have one',
    (name) => {
      const manifest = `packages/${name}/package.json`;
      // the commit that last wrote another version, or the package's first
      const released = git('log', '-1', '--format=%H', '-G^  "version":', '--', manifest);
      const changed = released && git('diff', '--name-only', released, '--', `packages/${name}/api*.md`);
      if (changed) expect([...named], `${changed} changed: npm run changeset`).toContain(`@medalign/${name}`);
    },
  );

  it('has one for @medalign/create when the trainers in it changed, or what they depend on got a version', () => {
    const trainers = ['plan', 'regionmed-clip'].map((name) => `examples/${name}`);
    const released = git('log', '-1', '--format=%H', '-G^  "version":', '--', 'packages/create/package.json');
    const parts = trainers.flatMap((folder) => [`${folder}/src`, `${folder}/configs`]);
    const changed = git('diff', '--name-only', released, '--', ...parts).split('\n').filter((file) => file && !/\.test\.ts$|\/testing\//.test(file)); // biome-ignore format: one line
    const dependencies = trainers.flatMap((folder) =>
      Object.keys(JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')).dependencies),
    );
    const why = [...changed, ...dependencies.filter((name) => named.has(name))];
    if (why.length)
      expect([...named], `${why.slice(0, 3).join(', ')}: npm run changeset`).toContain('@medalign/create');
  });

  it('name packages that there are', () => {
    const there = readdirSync(join(root, 'packages')).map((name) => `@medalign/${name}`);
    expect([...named].filter((name) => !there.includes(name))).toEqual([]);
  });
});

it('namedIn reads what changesets writes, and nothing of the sentence', () => {
  const text = `---\n'@medalign/losses': minor\n"@medalign/ops": patch\n---\n\nFor @medalign/weights: minor things.\n`;
  expect([...namedIn([text])]).toEqual(['@medalign/losses', '@medalign/ops']);
});
