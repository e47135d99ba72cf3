import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publishedFiles } from './contents';
import { checkLossProject } from './loss';
import { checkOneCopy, install, installed } from './project';
import { changeset, publish } from './publish';
import { publicPackages } from './scratch';
import type { Stage } from './stage';
import { checkPacked, evaluatePlan, packTrainers } from './trainers';

/**
 * The next release: `changeset version` with what is pending, and a minor of every package beside it, so that there is
 * a next version of each whatever is pending.
 */
export async function nextRelease(stage: Stage, checkout: string): Promise<string[]> {
  const minors = publicPackages(checkout).map(({ name }) => `'${name}': minor\n`);
  writeFileSync(join(checkout, '.changeset/rehearsal.md'), `---\n${minors.join('')}---\n\nA rehearsal.\n`);
  await stage.run(process.execPath, [changeset, 'version'], checkout);
  for (const { name, version, directory } of publicPackages(checkout))
    if (!readFileSync(join(checkout, directory, 'CHANGELOG.md'), 'utf8').includes(`## ${version}\n`))
      throw new Error(`${name}: CHANGELOG.md says nothing about ${version}.`);
  await packTrainers(stage.run, checkout);
  const published = await publish(stage, checkout);
  for (const { name, version } of publicPackages(checkout))
    if (!(await publishedFiles(stage, name, version)).includes('CHANGELOG.md'))
      throw new Error(`${name}@${version}: expected CHANGELOG.md in the package. Fix: name it in "files".`);
  await checkPacked(stage, checkout);
  return published;
}

/** Projects with the version before move to the next one: one copy of each package, and they still work. */
export async function checkUpgrade(stage: Stage, checkout: string, loss: string, plan: string): Promise<string> {
  const [before] = installed(loss, '@medalign');
  await nextRelease(stage, checkout);
  const versions = new Map(publicPackages(checkout).map(({ name, version }) => [name, version]));
  for (const folder of [loss, plan]) {
    const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const ours = Object.keys(dependencies).filter((name) => name.startsWith('@medalign/'));
    await install(
      stage,
      folder,
      ours.map((name) => `${name}@latest`),
    );
    for (const { name, version } of installed(folder, '@medalign'))
      if (version !== versions.get(name)) throw new Error(`${name}: expected ${versions.get(name)}, got ${version}.`);
    checkOneCopy(folder);
    await stage.run('npm', ['ls', '--all'], folder); // fails on a range that is not met
  }
  await checkLossProject(stage, loss);
  await evaluatePlan(stage, plan);
  const copies = installed(plan, '@medalign').length;
  return `${before!.version} → ${versions.get(before!.name)}, the same code under the next number: changelogs, one copy of each of ${copies} packages, the loss and PLAN's checkpoint still work`;
}
