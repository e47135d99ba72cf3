import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { install } from './project';
import { publicPackages } from './scratch';
import { root, type Stage } from './stage';

/** What `npm create @medalign` makes, and the folder in `examples/` that it is a copy of. */
const trainers = { plan: 'plan', regionmed: 'regionmed-clip' } as const;
export type TrainerName = keyof typeof trainers;

/**
 * Packs the trainers into `@medalign/create` anew, after versions were written in a scratch copy: they name the versions
 * of the packages that they are released with.
 */
export async function packTrainers(run: Stage['run'], checkout: string): Promise<void> {
  await run('npm', ['run', '--silent', 'build'], join(checkout, 'packages/create'));
}

/** The trainers in a published `@medalign/create` depend on what was published with it; `exact` for a snapshot. */
export async function checkPacked(stage: Stage, checkout: string, { exact = false } = {}): Promise<void> {
  const versions = new Map(publicPackages(checkout).map(({ name, version }) => [name, version]));
  const tarball = stage.registry.tarball('@medalign/create', versions.get('@medalign/create')!);
  for (const folder of Object.values(trainers)) {
    const file = `package/dist/trainers/${folder}/dependencies.json`;
    const { dependencies } = JSON.parse(await stage.run('tar', ['-xOzf', tarball, file], stage.folder));
    for (const [name, range] of Object.entries<string>(dependencies)) {
      const version = versions.get(name);
      const wanted = version && (exact && version.startsWith('0.0.0-') ? version : `^${version}`);
      if (wanted && range !== wanted)
        throw new Error(`@medalign/create: expected its ${folder} to depend on ${name} at ${wanted}, got ${range}.`);
    }
  }
}

/** A trainer as a newcomer gets it: `npm create @medalign <name> <folder>`, install, types, a smoke run. */
export async function checkTrainer(stage: Stage, name: TrainerName, folder: string): Promise<string> {
  await stage.run('npm', ['create', '--yes', '@medalign@latest', name, folder], dirname(folder));
  await install(stage, folder);
  await stage.run('npm', ['run', '--silent', 'typecheck'], folder);
  const smoke = ['--smoke', '--json', '--out', 'runs/smoke'];
  writeFileSync(join(folder, 'result.json'), await train(stage, name, folder, ...smoke));
  const check = [join(root, 'tools/check-smoke.mjs'), ...(name === 'plan' ? [] : [`--${name}`])];
  await stage.run(process.execPath, [...check, 'result.json', 'runs/smoke'], folder);
  const { backend, seconds } = JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8'));
  return `${name} on ${backend} in ${Math.round(seconds)} s`;
}

/** PLAN's checkpoint of that run, evaluated. */
export async function evaluatePlan(stage: Stage, folder: string): Promise<void> {
  const options = ['--task', 'grounding', '--checkpoint', 'runs/smoke', '--json', '--out', 'runs/grounding'];
  const { task } = JSON.parse(await train(stage, 'plan', folder, 'evaluate', ...options));
  if (task !== 'grounding') throw new Error(`PLAN's evaluation: expected the task grounding, got ${task}.`);
}

const train = (stage: Stage, name: TrainerName, folder: string, ...options: string[]) =>
  stage.run('npm', ['run', '--silent', name, '--', ...options], folder);
