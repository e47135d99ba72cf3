// A snapshot of what is pending, for somebody to try: npm run release:snapshot -- <tag> [--dry-run]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { run } from './command';
import { changeset } from './publish';
import { publicPackages, scratchCopy } from './scratch';
import { snapshotVersions } from './snapshot';
import { root } from './stage';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { 'dry-run': { type: 'boolean', default: false } },
});
const [tag] = positionals;
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => stop.abort(new Error(`Stopped by ${signal}.`)));
const inFolder = (command: string, args: string[], cwd: string) => run(command, args, { cwd, signal: stop.signal });

const folder = mkdtempSync(join(tmpdir(), 'medalign-snapshot-'));
try {
  if (positionals.length !== 1 || !/^[a-z][a-z0-9-]*$/.test(tag!) || tag === 'latest')
    throw new Error(
      `Expected one tag such as "canary", got "${positionals.join(' ')}": npm run release:snapshot -- <tag>`,
    );
  await inFolder(process.execPath, [join(root, 'node_modules/nx/dist/bin/nx.js'), 'run-many', '-t', 'build'], root);
  // from a copy: the versions of this checkout stay as they are, and nothing is committed or tagged
  const checkout = await scratchCopy(inFolder, join(folder, 'checkout'));
  await snapshotVersions(inFolder, checkout, tag!);
  const packages = publicPackages(checkout).filter(({ version }) => version.startsWith('0.0.0-'));
  if (!packages.length)
    throw new Error('No changeset is pending: there is nothing to try. npm run changeset writes one.');
  for (const { name, version } of packages) console.log(`${name}@${version}`);
  if (!values['dry-run']) {
    // with this terminal, since npm may ask for a one-time password
    const publish = [changeset, 'publish', '--tag', tag!, '--no-git-tag'];
    process.exitCode = spawnSync(process.execPath, publish, { cwd: checkout, stdio: 'inherit' }).status ?? 1;
  }
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
