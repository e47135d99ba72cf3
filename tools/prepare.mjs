// Writes the one generated source file: tfjs-core's own gradient definitions, bundled.
//
// tfjs-core registers no gradients on import, and the module that does cannot be loaded by Node (extension-less ESM
// imports in a package without "type": "module"). Registries live on globalThis, so a bundle of that module works.
// Runs in ~0.1 s, and only when the installed tfjs-core changed.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(join(root, 'packages/backend/package.json'));

export default async function prepare() {
  const manifest = require.resolve('@tensorflow/tfjs-core/package.json');
  const { version } = JSON.parse(readFileSync(manifest, 'utf8'));
  const folder = join(root, 'packages/backend/src/generated');
  const target = join(folder, 'core-gradients.js');
  const stamp = `// @tensorflow/tfjs-core ${version} gradients, Apache-2.0, bundled by tools/prepare.mjs; do not edit.\n`;
  if (existsSync(target) && readFileSync(target, 'utf8').startsWith(stamp)) return;
  const result = await build({
    entryPoints: [join(dirname(manifest), 'dist/register_all_gradients.js')],
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    write: false,
    minifyWhitespace: true,
    ignoreAnnotations: true,
    legalComments: 'none',
    logLevel: 'silent',
  });
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${target}.${process.pid}`, stamp + result.outputFiles[0].text);
  renameSync(`${target}.${process.pid}`, target);
}
