import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';
import { type BuildOptions, build } from 'esbuild';
import { freshProject } from './project';
import type { Stage } from './stage';

/** Packages whose README promises browsers. */
export const browserPackages = ['similarity', 'losses', 'progressive', 'roi-processor', 'eval-metrics', 'ops'].map(
  (name) => `@medalign/${name}`,
);

/** What examples/browser imports beside them: parts of packages that are for Node as a whole. */
const browserEntries = ['encoders', 'datasets/transforms', 'trainer/tensor-map', 'report/paint'].map(
  (name) => `@medalign/${name}`,
);
const packageOf = (entry: string) => entry.split('/').slice(0, 2).join('/');

/** Bundles the core for the browser: no module of Node is asked for, and the bundle computes where there is no Node. */
export async function checkBrowser(stage: Stage): Promise<string> {
  const names = browserPackages;
  const tfjs = ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-cpu'];
  const folder = await freshProject(stage, 'browser', [...names, ...tfjs, ...browserEntries.map(packageOf)]);
  const all = names.map((name, i) => `export * as core${i} from '${name}';`).join('\n');
  writeFileSync(join(folder, 'core.js'), all);
  writeFileSync(
    join(folder, 'page.js'),
    `${all}
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { infoNce } from '@medalign/losses';
const x = tf.tensor2d([[1, 0], [0, 1]]);
globalThis.loss = infoNce(x, x, { temperature: 1, directions: 'mean' }).dataSync()[0];`,
  );
  const page = await bundle(folder, 'page.js');
  const browser = vm.createContext({ console, performance, setTimeout, TextEncoder, TextDecoder });
  vm.runInContext('globalThis.window = globalThis.self = globalThis; globalThis.document = {};', browser);
  vm.runInContext(page, browser);
  const wanted = Math.log(1 + Math.exp(-1));
  if (!(Math.abs(browser.loss - wanted) < 1e-6))
    throw new Error(`The bundle: expected a loss of ${wanted}, got ${browser.loss}.`);
  for (const entry of browserEntries) {
    writeFileSync(join(folder, 'entry.js'), `export * from '${entry}';`);
    await bundle(folder, 'entry.js', { external: ['@tensorflow/*'], format: 'esm' });
  }
  const core = gzipSync(await bundle(folder, 'core.js', { external: ['@tensorflow/*'], format: 'esm' }));
  return `${names.length} packages and ${browserEntries.length} entries without a module of Node, the packages ${kilobytes(core)} min+gzip beside tfjs, ${kilobytes(gzipSync(page))} with tfjs and the cpu engine`;
}

async function bundle(folder: string, entry: string, options: BuildOptions = {}): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    platform: 'browser', // a module of Node is an error here
    format: 'iife',
    write: false,
    logLevel: 'silent',
    ...options,
  });
  return outputFiles![0]!.text;
}

const kilobytes = (data: Uint8Array) => `${(data.byteLength / 1000).toFixed(1)} kB`;
