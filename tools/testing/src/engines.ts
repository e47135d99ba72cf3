import { useBackend } from '@medalign/backend';
import { beforeAll, describe } from 'vitest';

/** Engines the shared suites run on: MEDALIGN_ENGINES (comma-separated), else the two that npm alone provides. */
export const engines: string[] = (process.env.MEDALIGN_ENGINES ?? 'cpu,wasm').split(',').map((name) => name.trim());

/** Declares the same tests once per engine. The engine is active before each of them runs. */
export function onEveryEngine(name: string, suite: (engine: string) => void): void {
  describe.each(engines)(`${name} [%s]`, (engine) => {
    beforeAll(async () => {
      await useBackend(engine as never);
    });
    suite(engine);
  });
}
