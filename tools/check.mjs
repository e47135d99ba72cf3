// Everything CI does, in its order, until something fails: npm run check
import { spawnSync } from 'node:child_process';

const steps = [
  'lint',
  'typecheck',
  'test',
  'build',
  'check:packages',
  'check:docs',
  'check:guides',
  'check:links',
  'docs',
  'test:rehearsal',
  'release:rehearse',
  'check:examples',
  'e2e',
  'check:native',
];

const times = [];
let status = 0;
for (const step of steps) {
  console.log(`\n=== npm run ${step}`);
  const start = performance.now();
  status = spawnSync('npm', ['run', '--silent', step], { stdio: 'inherit' }).status ?? 1;
  times.push([step, (performance.now() - start) / 1000]);
  if (status !== 0) break;
}
console.log(`\n${status ? `FAILED: npm run ${times.at(-1)[0]}` : 'All of it passed'}`);
for (const [step, seconds] of times) console.log(`${seconds.toFixed(0).padStart(5)} s  ${step}`);
const total = times.reduce((sum, [, seconds]) => sum + seconds, 0);
console.log(`${total.toFixed(0).padStart(5)} s  together`);
process.exitCode = status;
