// Checks what a smoke run of the PLAN example left: node tools/check-smoke.mjs <result.json> <run folder> [engine]
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [resultFile, run, engine] = process.argv.slice(2);
const result = JSON.parse(readFileSync(resultFile, 'utf8'));
const problems = [];
for (const key of ['backend', 'seconds', 'seed', 'recipe', 'test', 'before'])
  if (!(key in result)) problems.push(`no "${key}" in the result`);
if (engine && result.backend !== engine) problems.push(`ran on ${result.backend} instead of ${engine}`);
const numbers = [
  'cnrMacro',
  'signedCnr',
  'specificity',
  'pointing',
  'wrongPhraseCnr',
  'recallAt1',
  'recallAt5',
  'recallAt10',
  'gallery',
];
for (const part of ['test', 'before']) {
  for (const key of numbers)
    if (!Number.isFinite(result[part]?.[key])) problems.push(`${part}.${key} is ${result[part]?.[key]}`);
  if (!Object.keys(result[part]?.cnr ?? {}).length) problems.push(`${part}.cnr is empty`);
}
for (const name of [
  'config.resolved.yaml',
  'env.json',
  'metrics.jsonl',
  'report.html',
  'split.json',
  'checkpoints',
  'overlays',
]) {
  if (!existsSync(join(run, name))) problems.push(`${name} is missing in the run folder`);
}
const files = readdirSync(run);
if (!files.some((name) => name.startsWith('events.out.tfevents.'))) problems.push('no TensorBoard file');
const html = existsSync(join(run, 'report.html')) ? readFileSync(join(run, 'report.html'), 'utf8') : '';
if (/(?:src|href)="https?:/.test(html)) problems.push('the report reaches for the network');
for (const problem of problems) console.error(problem);
console.error(problems.length ? 'smoke run: failed' : 'smoke run: passed');
process.exitCode = problems.length ? 1 : 0;
