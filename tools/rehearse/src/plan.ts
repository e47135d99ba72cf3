import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { install } from './project';
import { root, type Stage } from './stage';

/** examples/plan copied out of the repository, a smoke run of its own sources on the published packages. */
export async function checkPlan(stage: Stage, folder: string): Promise<string> {
  cpSync(join(root, 'examples/plan'), folder, {
    recursive: true,
    filter: (source) => !/node_modules|\/\.results|\/runs\b/.test(source.slice(root.length)),
  });
  const file = join(folder, 'package.json');
  const { devDependencies, ...manifest } = JSON.parse(readFileSync(file, 'utf8')); // its tests stay at home
  writeFileSync(file, JSON.stringify(manifest, null, 2));
  await install(stage, folder, ['tsx']);
  writeFileSync(join(folder, 'result.json'), await plan(stage, folder, '--smoke', '--json', '--out', 'runs/smoke'));
  await stage.run(process.execPath, [join(root, 'tools/check-smoke.mjs'), 'result.json', 'runs/smoke'], folder);
  const { backend, seconds } = JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8'));
  return `a smoke run on ${backend} in ${Math.round(seconds)} s, with checkpoint, curves and report`;
}

/** The checkpoint of that run, evaluated. */
export async function evaluatePlan(stage: Stage, folder: string): Promise<void> {
  const { task } = JSON.parse(
    await plan(
      stage,
      folder,
      'evaluate',
      '--task',
      'grounding',
      '--checkpoint',
      'runs/smoke',
      '--json',
      '--out',
      'runs/grounding',
    ),
  );
  if (task !== 'grounding') throw new Error(`PLAN's evaluation: expected the task grounding, got ${task}.`);
}

const plan = (stage: Stage, folder: string, ...options: string[]) =>
  stage.run(process.execPath, ['--import', 'tsx', 'src/main.ts', ...options], folder);
