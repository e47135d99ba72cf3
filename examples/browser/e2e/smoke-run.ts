import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const repository = fileURLToPath(new URL('../../..', import.meta.url));

/** A run folder of `npm run plan -- --smoke`. */
export function smokeRun(folder: string): string {
  const args = ['tools/run.mjs', 'examples/plan/src/main.ts', '--smoke', '--backend', 'wasm', '--out', folder];
  execFileSync(process.execPath, args, { cwd: repository, stdio: 'pipe' });
  return folder;
}
