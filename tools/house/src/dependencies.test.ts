import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { differingRanges, installedWith, type Lock, type Locked } from './dependencies';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const json = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8'));
const lock: Lock = json('package-lock.json').packages;
const published = readdirSync(join(root, 'packages')).map((name) => `packages/${name}`);
const users = installedWith(published, lock);

/** Anybody may use, change and sell what has these. */
const free = [
  'MIT',
  'Apache-2.0',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'Unlicense',
];
/** Checked by hand: why another licence is no hindrance. */
const exceptions: Record<string, string> = {
  '@img/sharp-': 'libvips is LGPL-3.0: a shared library of its own, loaded as it is, which that licence allows',
};

describe('what users get with the published packages', () => {
  it('is what the lock file has, and enough of it', () => {
    expect(users.size).toBeGreaterThan(30); // an empty list would prove nothing
    expect([...users.values()].map(({ name }) => name)).toContain('@tensorflow/tfjs-core');
  });

  it('has licences that anybody may build on', () => {
    const others = [...users].flatMap(([place, { name, by }]) => {
      const { license = 'none', version } = lock[place]!;
      const choices = license.replace(/[()]/g, '').split(' OR ');
      const fine = choices.some((choice) => choice.split(' AND ').every((one) => free.includes(one)));
      return fine || Object.keys(exceptions).some((known) => name.startsWith(known))
        ? []
        : [`${name} ${version}: ${license} (by ${by})`];
    });
    expect(others, 'look at the licence; fine? name it in exceptions, with the reason').toEqual([]);
  });

  it('runs no install script', () => {
    const scripts = [...users]
      .filter(([place]) => lock[place]!.hasInstallScript)
      .map(([, { name, by }]) => `${name} (by ${by})`);
    expect(scripts, 'npm runs no install scripts of dependencies: choose another package, or make it optional').toEqual(
      [],
    );
    for (const folder of published) {
      const { scripts = {} } = json(`${folder}/package.json`);
      for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) expect(scripts[name]).toBeUndefined();
    }
  });
});

describe('versions', () => {
  const folders = Object.keys(lock).filter((place) => !place.includes('node_modules'));
  const manifests = new Map<string, Locked>(
    folders.map((folder) => [folder || '.', json(join(folder, 'package.json'))]),
  );

  it('one range for a package everywhere', () => {
    expect(manifests.size).toBeGreaterThan(15);
    expect(differingRanges(manifests)).toEqual([]);
  });

  it('our packages take the present version of each other', () => {
    for (const [folder, { dependencies = {} }] of manifests) {
      for (const [name, range] of Object.entries(dependencies)) {
        if (!name.startsWith('@medalign/') || range === '*') continue;
        const { version } = json(`packages/${name.replace('@medalign/', '')}/package.json`);
        expect(`${folder}: ${name}@${range}`).toBe(`${folder}: ${name}@^${version}`);
      }
    }
  });
});

describe('installedWith', () => {
  const small: Lock = {
    'packages/a': {
      dependencies: { b: '1', '@medalign/c': '1' },
      optionalDependencies: { other: '1' },
      devDependencies: { d: '1' },
    },
    'packages/c': {
      dependencies: { b: '2' },
      peerDependencies: { p: '1', q: '1' },
      peerDependenciesMeta: { q: { optional: true } },
    },
    'node_modules/@medalign/c': { link: true, resolved: 'packages/c' },
    'node_modules/b': { version: '1', dependencies: { e: '1' } },
    'node_modules/e': { version: '1' },
    'node_modules/p': { version: '1' },
    'node_modules/d': { version: '1' },
    'packages/c/node_modules/b': { version: '2' },
  };

  it('follows dependencies and peers as Node finds them, and nothing else', () => {
    const places = [...installedWith(['packages/a'], small).keys()].sort();
    expect(places).toEqual([
      'node_modules/b',
      'node_modules/e',
      'node_modules/p',
      'packages/c',
      'packages/c/node_modules/b',
    ]);
  });

  it('says what the lock lacks', () => {
    expect(() => installedWith(['x'], { x: { dependencies: { y: '1' } } })).toThrow(
      /x depends on y, which is not there/,
    );
  });

  it('differingRanges names ranges and who asks for them', () => {
    const manifests = new Map<string, Locked>([
      ['a', { dependencies: { x: '^1', y: '*' } }],
      ['b', { devDependencies: { x: '^2', y: '^3' } }],
    ]);
    expect(differingRanges(manifests)).toEqual(['x: ^1 (a), ^2 (b)']);
  });
});
