import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readManifest } from './scratch';
import type { Stage } from './stage';

/** What the built files of a package import from others, also what they load only when it is needed. */
export function importedBy(folder: string): string[] {
  const built = join(folder, 'dist');
  if (!existsSync(built)) return [];
  const files = readdirSync(built, { recursive: true, encoding: 'utf8' }).filter((file) => /\.js$/.test(file));
  const pattern = /(?:\bfrom|\bimport)\s*\(?\s*["']([^"'.\s][^"'\s]*)["']/g;
  return [
    ...new Set(
      files.flatMap((file) => [...readFileSync(join(built, file), 'utf8').matchAll(pattern)].map((found) => found[1]!)),
    ),
  ].sort();
}

/**
 * Loads everything that the built files import from a declared dependency, from where the package lies: a name that a
 * dependency no longer exports is found, though nothing asks for it before somebody reads that kind of file.
 */
export async function checkImports(stage: Stage, folder: string): Promise<void> {
  const { dependencies = {} } = readManifest(folder);
  const declared = (specifier: string) =>
    Object.keys(dependencies).some((name) => specifier === name || specifier.startsWith(`${name}/`));
  const file = join(folder, 'rehearsal.mjs');
  const wanted = importedBy(folder).filter(declared);
  writeFileSync(
    file,
    `for (const name of ${JSON.stringify(wanted)})
  await import(name).catch((error) => {
    console.error(name + ': ' + error.message);
    process.exitCode = 1;
  });
process.exit();`,
  );
  await stage.run(process.execPath, [file], folder);
  rmSync(file);
}
