import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { install, installedNames } from './project';
import { root, type Stage } from './stage';
import { checkTypes } from './types';

/** A project of somebody else, examples/loss-only, that installs the losses beside its own tfjs. */
export async function lossProject(stage: Stage, folder: string, version: string): Promise<void> {
  cpSync(join(root, 'examples/loss-only'), folder, { recursive: true });
  await install(stage, folder, [`@medalign/losses@${version}`]);
}

/** It got what it asked for and no more, and has a value and a gradient by `import` and by `require`; types hold. */
export async function checkLossProject(stage: Stage, folder: string): Promise<string> {
  expect('packages of ours that were installed', installedNames(folder, '@medalign'), ['losses', 'similarity']);
  expect('packages of tfjs that were installed', installedNames(folder, '@tensorflow'), [
    'tfjs-backend-cpu',
    'tfjs-core',
  ]);
  // Two orthogonal unit pairs at temperature 1: −ln(e / (e + 1)) in each direction.
  const wanted = Math.log(1 + Math.exp(-1));
  for (const file of ['use.mjs', 'use.cjs']) {
    const { value, gradient } = JSON.parse(await stage.run(process.execPath, [file], folder));
    if (!(Math.abs(value - wanted) < 1e-6)) throw new Error(`${file}: expected a loss of ${wanted}, got ${value}.`);
    if (gradient.length !== 4 || !gradient.every(Number.isFinite) || !gradient.some((g: number) => g !== 0))
      throw new Error(`${file}: expected a gradient of 4 finite numbers, got [${gradient}].`);
  }
  await checkTypes(stage, folder, 'use.mts');
  return `value ${wanted.toFixed(4)} and a gradient by import and by require, types under nodenext and bundler, nothing else installed`;
}

function expect(what: string, found: string[], wanted: string[]): void {
  if (String(found) !== String(wanted)) throw new Error(`${what}: expected ${wanted}, got ${found}.`);
}
