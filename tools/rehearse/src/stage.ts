import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './command';
import { type Registry, startRegistry } from './registry';

export const root = fileURLToPath(new URL('../../..', import.meta.url));

/** What every chapter works with: a registry, a temporary folder outside the repository, a way to run commands. */
export interface Stage {
  folder: string;
  registry: Registry;
  run(command: string, args: string[], cwd: string): Promise<string>;
}

/** Sets the stage; `clear` stops the registry and removes the folder. */
export async function setStage(signal?: AbortSignal): Promise<{ stage: Stage; clear: () => Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'medalign-rehearsal-'));
  let registry: Registry | undefined;
  const clear = async () => {
    await registry?.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    registry = await startRegistry(folder, ['@medalign', '@rehearsal']);
  } catch (error) {
    await clear();
    throw error;
  }
  const { env } = registry;
  const runHere: Stage['run'] = (command, args, cwd) => run(command, args, { cwd, env, signal });
  return { stage: { folder, registry, run: runHere }, clear };
}
