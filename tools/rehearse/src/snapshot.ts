import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshProject, installed } from './project';
import { changeset, distTags, publish } from './publish';
import { publicPackages } from './scratch';
import type { Stage } from './stage';
import { checkPacked, packTrainers } from './trainers';

type Run = Stage['run'];

/**
 * Gives every package that a pending changeset names, and every package that depends on one of them, a version
 * `0.0.0-<tag>-<time>`; dependencies among them name exactly that version. `checkout` is a scratch copy.
 */
export async function snapshotVersions(run: Run, checkout: string, tag: string): Promise<void> {
  const file = join(checkout, '.changeset/config.json');
  const config = JSON.parse(readFileSync(file, 'utf8'));
  // Without it a dependant stays on the last release: its range ^0.1.0 would be met by the next patch.
  config.___experimentalUnsafeOptions_WILL_CHANGE_IN_PATCH = { updateInternalDependents: 'always' };
  writeFileSync(file, JSON.stringify(config));
  await run(process.execPath, [changeset, 'version', '--snapshot', tag], checkout);
  await packTrainers(run, checkout);
}

/** A snapshot after a change of `similarity` and of a trainer: its dependants come along, nobody else, "latest" stays. */
export async function checkSnapshot(stage: Stage, checkout: string): Promise<string> {
  const similarity = '@medalign/similarity';
  const before = await distTags(stage, similarity);
  await stage.run('git', ['rm', '--quiet', '--ignore-unmatch', '.changeset/*.md'], checkout);
  writeFileSync(
    join(checkout, '.changeset/rehearsal.md'),
    `---\n'${similarity}': patch\n'@medalign/create': patch\n---\n\nA rehearsal.\n`,
  );
  await snapshotVersions(stage.run, checkout, 'rehearsal');
  const published = await publish(stage, checkout, '--tag', 'rehearsal', '--no-git-tag');

  const packages = publicPackages(checkout);
  const version = packages.find(({ name }) => name === similarity)!.version;
  if (!/^0\.0\.0-rehearsal-\d+$/.test(version)) throw new Error(`Expected a snapshot's version, got ${version}.`);
  const dependants = withDependants(similarity, packages).add('@medalign/create');
  const wanted = [...dependants].map((name) => `${name}@${version}`).sort();
  if (String(published) !== String(wanted))
    throw new Error(`Expected the snapshot to publish\n${wanted.join('\n')}\ngot\n${published.join('\n')}`);
  for (const { name, dependencies = {} } of packages.filter((one) => dependants.has(one.name)))
    for (const [dependency, range] of Object.entries(dependencies))
      if (dependants.has(dependency) && range !== version)
        throw new Error(`${name}: expected ${dependency} at exactly ${version}, got ${range}.`);
  await checkPacked(stage, checkout, { exact: true });
  const after = await distTags(stage, similarity);
  if (after.latest !== before.latest || after.rehearsal !== version)
    throw new Error(`Expected latest ${before.latest} and rehearsal ${version}, got ${JSON.stringify(after)}.`);

  const folder = await freshProject(stage, 'snapshot', ['@medalign/progressive@rehearsal']);
  for (const one of installed(folder, '@medalign'))
    if (one.version !== version) throw new Error(`${one.path}: expected ${version}, got ${one.version}.`);
  return `a change of similarity and of create gives ${published.length} packages a snapshot that name each other exactly, trainers too; latest stays ${after.latest}`;
}

/** A package and all that reach it over their dependencies. */
export function withDependants(
  start: string,
  packages: { name: string; dependencies?: Record<string, string> }[],
): Set<string> {
  const reached = new Set([start]);
  for (const name of reached)
    for (const { name: dependant, dependencies = {} } of packages) if (name in dependencies) reached.add(dependant);
  return reached;
}
