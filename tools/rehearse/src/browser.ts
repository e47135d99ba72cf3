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

/** Bundles the core for the browser: no module of Node is asked for, and the bundle computes where there is no Node. */
export async function checkBrowser(stage: Stage): Promise<string> {
  const names = browserPackages;
  const tfjs = ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-cpu'];
  const folder = await freshProject(stage, 'browser', [...names, ...tfjs]);
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
  const core = gzipSync(await bundle(folder, 'core.js', { external: ['@tensorflow/*'], format: 'esm' }));
  return `${names.length} packages without a module of Node, ${kilobytes(core)} min+gzip beside tfjs, ${kilobytes(gzipSync(page))} with tfjs and the cpu engine`;
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
