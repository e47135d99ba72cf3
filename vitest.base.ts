import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const { MEDALIGN_ENGINES, MEDALIGN_RUN } = process.env;
const root = fileURLToPath(new URL('.', import.meta.url));

/** The one way a package is tested: sources of the other packages, no build, a JSON result for CI's count. */
export default defineConfig({
  resolve: { conditions: ['@medalign/source'] },
  ssr: { resolve: { conditions: ['@medalign/source', 'node', 'import', 'module', 'default'] } },
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node',
    globalSetup: [`${root}tools/prepare.mjs`, `${root}tools/temporary.mjs`],
    reporters: ['default', 'json'],
    // runs on other engines than npm's own, or in other ways, are counted beside the first
    outputFile: { json: `.results/${['vitest', MEDALIGN_ENGINES, MEDALIGN_RUN].filter(Boolean).join('-')}.json` },
    // a guard against a hang, not a measure: a shared machine is at times ten times slower
    testTimeout: 600_000,
    hookTimeout: 600_000,
    maxWorkers: 2,
    pool: 'forks',
  },
});
