import { defineConfig } from 'vitest/config';
import base from '../../vitest.base';

/** `npm run e2e`: the built page in a browser. Not part of `npm test`, because it needs Chromium and trains a smoke model. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['e2e/**/*.e2e.ts'],
    outputFile: { json: '.results/vitest-e2e.json' },
    testTimeout: 120_000,
    hookTimeout: 300_000,
  },
});
