import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { browserPackages } from './browser';
import { checkImports } from './imports';
import { freshProject } from './project';
import { readManifest } from './scratch';
import type { Stage } from './stage';
import { checkTypes } from './types';

/**
 * Installs one package alone, and uses it in every way that it promises: each entry by `import` and by `require`, with
 * the same names; its types under `nodenext` and `bundler`; what it imports only when it is needed; its commands.
 *
 * Alone, because a dependency that was not declared is found in a project where something else has brought it. What is
 * for Node gets Node's types beside it, as a project for Node has them.
 */
export async function checkUsable(stage: Stage, name: string, version: string): Promise<void> {
  const nodeTypes = browserPackages.includes(name) ? [] : ['@types/node@20'];
  const folder = await freshProject(stage, `alone-${name.split('/').at(-1)}`, [`${name}@${version}`, ...nodeTypes]);
  const { exports = {}, bin = {} } = readManifest(join(folder, 'node_modules', name));
  const entries = Object.keys(exports)
    .filter((entry) => !entry.endsWith('.json'))
    .map((entry) => join(name, entry));
  if (!entries.length) throw new Error(`${name}: package.json exports nothing.`);

  const listed = JSON.stringify(entries);
  writeFileSync(
    join(folder, 'use.mjs'),
    `const names = {};
for (const entry of ${listed}) names[entry] = Object.keys(await import(entry)).sort();
console.log(JSON.stringify(names));`,
  );
  writeFileSync(
    join(folder, 'use.cjs'),
    `const names = {};
for (const entry of ${listed}) names[entry] = Object.keys(require(entry)).sort();
console.log(JSON.stringify(names));`,
  );
  const byImport = JSON.parse(await stage.run(process.execPath, ['use.mjs'], folder));
  const byRequire = JSON.parse(await stage.run(process.execPath, ['use.cjs'], folder));
  for (const entry of entries) {
    const [imported, required] = [byImport[entry], byRequire[entry]].map(String);
    if (entry === name && !imported) throw new Error(`import '${entry}': expected exports, found none.`);
    if (imported !== required)
      throw new Error(`${entry}: expected the same names either way.\nimport:  ${imported}\nrequire: ${required}`);
  }
  const typed = entries.map(
    (entry, i) => `import * as entry${i} from '${entry}';\nexport const names${i}: string[] = Object.keys(entry${i});`,
  );
  writeFileSync(join(folder, 'use.mts'), typed.join('\n'));
  await checkTypes(stage, folder, 'use.mts');
  await checkImports(stage, join(folder, 'node_modules', name));

  for (const file of Object.keys(exports).filter((entry) => entry.endsWith('.json')))
    await stage.run(process.execPath, ['-p', `require('${join(name, file)}')`], folder);
  for (const command of Object.keys(bin))
    await stage.run(join(folder, 'node_modules/.bin', command), ['--help'], folder);
}
