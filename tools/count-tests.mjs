// Adds up the vitest results of every project and prints the closing line that CI reads.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const totals = { passed: 0, failed: 0, skipped: 0 };
for (const folder of ['packages', 'examples', 'tools']) {
  for (const project of readdirSync(join(root, folder))) {
    const file = join(root, folder, project, '.results/vitest.json');
    if (!existsSync(file)) {
      const manifest = join(root, folder, project, 'package.json');
      if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).scripts?.test)
        throw new Error(`${file} is missing: npm test first`);
      continue;
    }
    const result = JSON.parse(readFileSync(file, 'utf8'));
    totals.passed += result.numPassedTests;
    totals.failed += result.numFailedTests;
    totals.skipped += result.numPendingTests + result.numTodoTests;
    console.log(`${folder}/${project}: ${result.numPassedTests} of ${result.numTotalTests} tests passed`);
  }
}
const skipped = totals.skipped ? `, ${totals.skipped} skipped` : '';
console.log(`${totals.passed} passed, ${totals.failed} failed${skipped}`);
process.exitCode = totals.failed || !totals.passed ? 1 : 0;
