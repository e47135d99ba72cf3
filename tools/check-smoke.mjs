// Checks what a smoke run of an example left: node tools/check-smoke.mjs [--regionmed | --vqa] <result.json> <run folder> [engine]
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [regionmed, vqa] = ['--regionmed', '--vqa'].map((flag) => process.argv.includes(flag));
const [resultFile, run, engine] = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));
const result = JSON.parse(readFileSync(resultFile, 'utf8'));
const problems = [];
const retrieval = ['recallAt1', 'recallAt5', 'recallAt10', 'gallery'];
const { keys, numbers, table } = regionmed
  ? { keys: [], numbers: [...retrieval, 'hardNegativeAccuracy', 'pointing', 'zeroShotAucMean'], table: 'zeroShotAuc' }
  : {
      keys: ['recipe'],
      numbers: [...retrieval, 'cnrMacro', 'signedCnr', 'specificity', 'pointing', 'wrongPhraseCnr'],
      table: 'cnr',
    };
for (const key of ['backend', 'seconds', 'seed', 'test', ...(vqa ? ['baselines', 'controls'] : ['before', ...keys])])
  if (!(key in result)) problems.push(`no "${key}" in the result`);
if (engine && result.backend !== engine) problems.push(`ran on ${result.backend} instead of ${engine}`);
if (vqa) {
  const { test, baselines, controls } = result;
  const ways = { test, ...baselines, ...controls };
  for (const name of ['test', 'majority', 'majorityByType', 'questionOnly', 'wrongImage']) {
    const { overall, open, closed } = ways[name] ?? {};
    if (!(overall?.n > 0 && overall.n === open?.n + closed?.n && overall.right === open?.right + closed?.right))
      problems.push(`${name}: open and closed do not add up to overall`);
  }
}
for (const part of vqa ? [] : ['test', 'before']) {
  for (const key of numbers)
    if (!Number.isFinite(result[part]?.[key])) problems.push(`${part}.${key} is ${result[part]?.[key]}`);
  if (!Object.keys(result[part]?.[table] ?? {}).length) problems.push(`${part}.${table} is empty`);
}
for (const name of [
  'config.resolved.yaml',
  'env.json',
  'metrics.jsonl',
  'report.html',
  'split.json',
  'checkpoints',
  vqa ? 'answers.jsonl' : 'overlays',
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
