import { join } from 'node:path';
import { publicPackages } from './scratch';
import { root, type Stage } from './stage';

/** The command line of changesets that this checkout has installed. */
export const changeset = join(root, 'node_modules/@changesets/cli/bin.js');

/** Publishes what is not published yet, with the command that `npm run release` ends in. Gives `name@version`s. */
export async function publish(stage: Stage, checkout: string, ...options: string[]): Promise<string[]> {
  for (const { name, publishConfig } of publicPackages(checkout))
    if (publishConfig?.registry)
      throw new Error(`${name}: publishConfig.registry would leave the rehearsal's registry.`);
  const said = await stage.run(process.execPath, [changeset, 'publish', ...options], checkout);
  const published = [...said.matchAll(/^\S+\s+(@[^@\s]+@\S+)$/gm)].map((match) => match[1]!);
  if (!published.length) throw new Error(`changeset publish: expected published packages, found none in:\n${said}`);
  return published.sort();
}

/** The versions that the registry gives for tags such as "latest". */
export async function distTags({ registry }: Stage, name: string): Promise<Record<string, string>> {
  const response = await fetch(new URL(name.replace('/', '%2f'), registry.url));
  if (!response.ok) throw new Error(`${name}: the registry answered ${response.status}.`);
  return ((await response.json()) as { 'dist-tags': Record<string, string> })['dist-tags'];
}
