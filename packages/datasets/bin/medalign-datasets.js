#!/usr/bin/env node
// The command of the package: as built, or in a checkout of the repository from its sources, which need no build.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const runner = path('../../../tools/run.mjs');
if (existsSync(runner)) {
  const args = [runner, path('../src/cli.ts'), ...process.argv.slice(2)];
  process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
} else {
  await import('../dist/cli.js');
}
