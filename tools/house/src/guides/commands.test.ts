import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { blocksOf, unmarkedBlocks } from './blocks';
import { commandsOf, judge } from './commands';

const root = fileURLToPath(new URL('../../../..', import.meta.url));

it('blocksOf gives line, mark and code', () => {
  const text = '# A\n\n```sh run\nls\n```\n\n```ts\n1;\n```\n```sh\npwd\n```\n';
  expect(blocksOf(text, ['sh'])).toEqual([
    { line: 3, info: 'run', code: 'ls\n' },
    { line: 10, info: '', code: 'pwd\n' },
  ]);
});

it('blocksOf finds blocks in lists, without their indentation', () => {
  const text = '- one:\n\n  ```sh\n  ls \\\n    -l\n\n  pwd\n  ```\n\n- two\n';
  expect(blocksOf(text, ['sh'])).toEqual([{ line: 3, info: '', code: 'ls \\\n  -l\n\npwd\n' }]);
});

it('unmarkedBlocks names the line of a block without a language, and not the end of another', () => {
  const text = '```text\nls\n```\n\n```\nnpm ci\n```\n\n- a\n\n  ```\n  b\n  ```\n';
  expect(unmarkedBlocks(text)).toEqual([5, 11]);
});

it('commandsOf joins continued lines, splits at &&, and drops comments', () => {
  expect(commandsOf('npm ci && npm test   # both\n# nothing\nnpm run plan -- \\\n  --set a=1\n')).toEqual([
    'npm ci',
    'npm test',
    'npm run plan -- --set a=1',
  ]);
});

describe('judge', () => {
  it.each([
    ['npm run plam', "no script 'plam'"],
    ['npm install @medalign/loses', "no package '@medalign/loses'"],
    ['npx @medalign/losses build', 'no package has a command'],
    ['npx medalign-datasets valdate my-set', "has no 'valdate', only validate"],
    ['npx medalign-datasets', "has no '', only validate"],
    ['npx @medalign/backend build', "has no 'build', only build-tensorflow"],
    ['npx @medalign/backend-torch built', "has no 'built', only build"],
    ['npm create @medalign gloria mine', 'expected npm create @medalign plan | regionmed'],
    ['medalign train', 'no check knows this command'],
  ])('%s: %s', (command, problem) => expect(judge(command, root).problem).toContain(problem));

  it.each([
    'npm ci',
    'MEDALIGN_ENGINES=torch npm test',
    'npm install @medalign/losses @tensorflow/tfjs-core',
    'npx medalign-datasets validate my-set',
    'npx @medalign/backend-torch build',
    'npx @medalign/backend build-tensorflow --python venv/bin/python',
    'npm create @medalign plan my-plan',
    'npm run engine',
    'cd my-plan',
  ])('lets %s pass', (command) => expect(judge(command, root)).toEqual({}));

  it.each([
    ['npm run plan', 'npm run --silent plan -- --print-config'],
    ['npm run plan -- --resume runs/plan-…', 'npm run --silent plan -- --print-config'],
    [
      'npm run regionmed -- vqa --checkpoint runs/regionmed-… --data /x',
      'npm run --silent regionmed -- vqa --checkpoint runs/smoke-regionmed --data /x --print-config',
    ],
  ])('checks the options and settings of %s', (command, run) => expect(judge(command, root)).toEqual({ run }));

  it.each([
    ['runs/smoke', false],
    ['runs/plan-…', true],
    ['runs/smoke --data pairs.csv', true],
  ])('evaluates a smoke run for %s; may data be missing? %j', (checkpoint, data) => {
    const { run, ...rest } = judge(`npm run plan -- evaluate --task retrieval --checkpoint ${checkpoint}`, root);
    expect(run).toContain('npm run --silent plan -- evaluate --task retrieval --checkpoint runs/smoke-plan');
    expect(rest).toEqual({ data });
  });
});
