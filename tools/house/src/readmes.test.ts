import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { exportedValues, undescribed } from './readmes';

const packages = fileURLToPath(new URL('../../../packages', import.meta.url));
const read = (name: string, file: string) => readFileSync(join(packages, name, file), 'utf8');

describe('a README has a line for every export of its package', () => {
  it.each(readdirSync(packages))('%s', (name) => {
    const names = exportedValues(read(name, 'src/index.ts'));
    expect(names.length).toBeGreaterThan(0);
    expect(undescribed(names, read(name, 'README.md')), `packages/${name}/README.md: no line for these`).toEqual([]);
  });
});

it('exportedValues leaves types out, and takes the public name', () => {
  const index = `import './b';\nexport { a, type B, c as d } from './a';\nexport type { E } from './e';\n`;
  expect(exportedValues(index)).toEqual(['a', 'd']);
  expect(() => exportedValues(`export * from './a';`)).toThrow('name what is public');
});

it('undescribed finds a line that is missing: an option or an example is none', () => {
  const readme = '| `a(x, { dropout })`, `new B(c)` | what |\n\n```ts\nimport { shown } from "x"; // `shown`\n```\n';
  expect(undescribed(['a', 'B', 'dropout', 'shown', 'c'], readme)).toEqual(['dropout', 'shown', 'c']);
});

it('undescribed finds an export whose line is taken out of a README', () => {
  const readme = read('losses', 'README.md').replaceAll('`infoNcePresets`', '');
  expect(undescribed(exportedValues(read('losses', 'src/index.ts')), readme)).toEqual(['infoNcePresets']);
});
