import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Stage } from './stage';

const healthy: Record<string, string> = {
  'dist/index.js': "export { one } from './part.js';\n",
  'dist/index.d.ts': "export { one } from './part.js';\n",
  'dist/part.js': 'export const one = 1;\n',
  'dist/part.d.ts': 'export declare const one: number;\n',
};

/** Publishes a small package of two files that is as it should be, but for what is given. Gives its name. */
export async function publishFixture(
  stage: Stage,
  name: string,
  manifest: Record<string, unknown> = {},
  files: Record<string, string> = {},
): Promise<string> {
  const folder = join(stage.folder, 'fixtures', name);
  const whole = {
    name: `@rehearsal/${name}`,
    version: '1.0.0',
    type: 'module',
    exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' }, './package.json': './package.json' },
    files: ['dist'],
    ...manifest,
  };
  for (const [file, text] of Object.entries({ ...healthy, ...files, 'package.json': JSON.stringify(whole) })) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  await stage.run('npm', ['publish', '--access', 'public'], folder);
  return whole.name;
}
