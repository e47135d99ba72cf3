// A foreign project installs the packed @medalign/losses beside tfjs-core and an engine, and uses it: ESM, require, tsc --strict.
// Proves that the package brings nothing but similarity, and that a value and a gradient come out.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = mkdtempSync(join(tmpdir(), 'medalign-foreign-'));
const run = (command, args, cwd = folder) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

try {
  run('npx', ['nx', 'run-many', '-t', 'build', '-p', '@medalign/losses'], root);
  const packed = ['similarity', 'losses'].map((name) => {
    const [{ filename }] = JSON.parse(
      run('npm', ['pack', '--json', '--pack-destination', folder], join(root, 'packages', name)),
    );
    return join(folder, filename);
  });
  cpSync(join(root, 'examples/loss-only'), folder, { recursive: true });
  run('npm', ['install', '--no-audit', '--no-fund', '--save', ...packed]);

  const own = readdirSync(join(folder, 'node_modules/@medalign')).sort();
  expect('packages of ours that were installed', own, ['losses', 'similarity']);
  const engines = readdirSync(join(folder, 'node_modules/@tensorflow')).sort();
  expect('packages of tfjs that were installed', engines, ['tfjs-backend-cpu', 'tfjs-core']);

  for (const file of ['use.mjs', 'use.cjs']) {
    const { value, gradient } = JSON.parse(run(process.execPath, [file]));
    // Two orthogonal unit pairs at temperature 1: −ln(e / (e + 1)) in each direction.
    const wanted = Math.log(1 + Math.exp(-1));
    if (Math.abs(value - wanted) > 1e-6) throw new Error(`${file}: loss ${value}, expected ${wanted}`);
    if (gradient.length !== 4 || !gradient.every(Number.isFinite) || gradient.every((g) => g === 0)) {
      throw new Error(`${file}: gradient ${gradient}`);
    }
    console.error(`${file}: value ${value}, gradient [${gradient}]`);
  }
  for (const resolution of ['nodenext', 'bundler']) {
    const module = resolution === 'nodenext' ? 'nodenext' : 'esnext';
    run(process.execPath, [
      join(root, 'node_modules/typescript/bin/tsc'),
      '--strict',
      '--noEmit',
      '--target',
      'es2022',
      '--skipLibCheck',
      'false',
      '--module',
      module,
      '--moduleResolution',
      resolution,
      'use.mts',
    ]);
    console.error(`tsc --strict, ${resolution}: fine`);
  }
  console.error('foreign project: passed');
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function expect(what, actual, wanted) {
  if (JSON.stringify(actual) !== JSON.stringify(wanted)) throw new Error(`${what}: expected ${wanted}, got ${actual}`);
}
